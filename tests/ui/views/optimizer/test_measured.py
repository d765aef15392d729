"""Tests of what the page reads of the benchmarks."""

import pytest

from tests.ui.views.optimizer.rows import LARGE, write
from trainers.runs import RunError
from ui.views.optimizer import measured
from ui.views.optimizer.measured import (
    RESULTS,
    large_batch,
    machine,
    quality,
    rows,
    step_costs,
    title,
)


@pytest.fixture
def results(tmp_path):
    return write(tmp_path / "results")


def test_step_costs_of_a_method_and_its_variants(results):
    found, files = step_costs("vogn", results)
    seen = [(row["network"], row["method"], row["ratio"]) for row in found]
    assert seen == [
        ("mlp", "vogn", 1.35), ("mlp", "vogn_interval_10", 1.03),
        ("resnet20", "vogn", 1.2),
    ]  # fmt: skip
    assert files == ["step_cost"]


def test_the_second_file_has_what_the_first_lacks(results):
    found, files = step_costs("sp_ngd", results)
    assert [row["ratio"] for row in found] == [4.4]
    assert files == ["second_order_cost"]
    assert step_costs("kfac", results) == ([], [])


def test_quality_is_of_one_task_over_its_seeds(results):
    found = quality(results)
    assert list(found) == ["vogn", "adamw", "ensemble"]
    nll = found["vogn"]["nll"]
    assert (nll.mean, nll.low, nll.high, nll.count) == pytest.approx((
        0.245,
        0.24,
        0.25,
        2,
    ))


def test_steps_by_batch_size(results):
    found = large_batch(0.88, results)
    assert [row["batch_size"] for row in found["kfac"]] == [256, 4096]
    assert found["sgd"][1]["steps"] is None
    assert large_batch(0.895, results).keys() == {"kfac"}
    assert large_batch(0.99, results) == {}
    assert len(LARGE) == 5


def test_the_machine_is_the_first_line_of_what_was_printed(results):
    assert machine("step_cost", results) == "vogn-app 1, torch 2, a machine"
    assert machine("quality", results) == ""
    assert machine("large_batch", results) == ""


def test_missing_and_damaged_files(tmp_path):
    assert rows("step_cost", tmp_path) == []
    assert step_costs("vogn", tmp_path) == ([], [])
    assert quality(tmp_path) == {}
    for content in ("{", '{"a": 1}', "[1, 2]", "\x00"):
        (tmp_path / "quality.json").write_text(content)
        with pytest.raises(RunError, match=r"quality\.json"):
            quality(tmp_path)


def test_titles():
    assert title("sp_ngd") == "SP-NGD"
    assert title("ivon") == "IVON"
    assert title("ivon_opt") == "IVON (its authors' package)"
    assert title("something") == "something"


def test_the_results_of_this_checkout_are_understood():
    assert (RESULTS / "step_cost.json").is_file()
    costs, _ = step_costs("vogn")
    ours = [row for row in costs if row["method"] == "vogn"]
    assert [row["network"] for row in ours] == list(measured.NETWORKS)
    assert all(1 < row["ratio"] < 2 for row in ours)
    siblings, files = step_costs("ivon")
    assert [row["network"] for row in siblings] == ["mlp", "lenet5", "resnet20"]
    assert files == ["variational_cost"]
    assert {"vogn", "multi_vogn", "ivon", "ensemble", "adamw"} <= quality().keys()
    assert {"kfac", "sp_ngd", "sgd", "adamw", "lamb"} == large_batch(0.88).keys()
    assert machine("step_cost").startswith("vogn-app ")

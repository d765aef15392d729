"""Tests of `ui/views/runs/groups.py`."""

import json
import statistics
from dataclasses import replace

import pytest

from tests.ui import fakes
from tests.ui.views.compare.examples import run_of
from trainers import jobs
from trainers.status import FINISHED, Status, write_status
from ui.components import reading
from ui.views.runs.groups import _group, arrow, drawn, groups, spread


@pytest.fixture
def sweep(root):
    """A sweep of two settings and three seeds; the second one is better."""
    configs = [
        fakes.config(seed=seed, batch_size=size)
        for size in (32, 64)
        for seed in range(3)
    ]
    runs = jobs.engine().submit(configs, group="mine")
    for k, run in enumerate(runs):
        jobs.engine().stop(run)
        write_status(run, Status(state=FINISHED, created=1000.0 + k))
        metrics = {"nll": 0.5 - 0.1 * (k > 2) + 0.01 * k, "accuracy": 0.9 + 0.01 * k}
        run.evaluation.write_text(json.dumps({"metrics": metrics}))
    return runs


def seen(runs):
    return reading.summaries(runs)[0]


def test_the_best_setting_is_told_over_its_seeds(sweep):
    (group,) = groups(seen(sweep))
    assert (group.name, len(group.views), group.num_settings) == ("mine", 6, 2)
    assert [view.run for view in group.best] == sweep[3:]
    (line,) = arrow([group], None).to_pylist()
    losses = [0.4 + 0.01 * k for k in (3, 4, 5)]
    assert line["NLL"] == pytest.approx(statistics.fmean(losses))
    assert line["± NLL"] == pytest.approx(statistics.stdev(losses))
    assert line["Accuracy"] == pytest.approx(94.0)
    assert line["± Accuracy"] == pytest.approx(1.0)
    assert line["ECE"] is line["± ECE"] is None
    assert (line["Best setting"], line["Seeds"]) == ("batch size 64", 3)
    assert (line["States"], line["Settings"]) == ("6 finished", 2)
    assert (line["Dataset"], line["Optimizer"]) == ("Digits (8x8)", "VOGN")
    assert line["Launched"].timestamp() == 1000.0


def test_a_seed_that_ran_twice_counts_once(sweep):
    configs = [fakes.config(seed=seed, batch_size=64) for seed in (0, 0, 1)]
    again = jobs.engine().submit(configs, group="mine")
    alike = [sweep[3], *again[:2]]
    for run in alike:
        run.evaluation.write_text(json.dumps({"metrics": {"nll": 0.1}}))
    newest = max(alike, key=lambda run: run.id)
    (group,) = groups(seen([*sweep, *again]))
    assert [view.run for view in group.best] == [newest, *sweep[4:]]
    (line,) = arrow([group], None).to_pylist()
    assert line["Seeds"] == 3
    assert line["NLL"] == pytest.approx(statistics.fmean([0.1, 0.44, 0.45]))


def test_one_lucky_seed_is_no_match_for_a_mean_of_two(sweep):
    for run in sweep[1:4]:  # one seed of the first setting is left, two of the second
        run.evaluation.unlink()
    sweep[0].evaluation.write_text(json.dumps({"metrics": {"nll": 0.01}}))
    (group,) = groups(seen(sweep))
    assert [view.run for view in group.best] == sweep[4:]


def test_as_long_as_a_run_is_alive_the_best_is_so_so_far(sweep):
    views = [replace(view, state="running") for view in seen(sweep[:1])]
    (group,) = groups([*views, *seen(sweep[1:])])
    (line,) = arrow([group], None).to_pylist()
    assert line["Best setting"] == "batch size 64 (so far)"


def test_on_different_data_nothing_is_best(sweep):
    other = jobs.engine().submit([fakes.config("moons")], group="mine")
    other[0].evaluation.write_text(json.dumps({"metrics": {"nll": 0.01}}))
    (group,) = groups(seen([*sweep, *other]))
    (line,) = arrow([group], None).to_pylist()
    assert group.best == ()
    assert line["Dataset"] == "Digits (8x8), Two moons"
    assert line["NLL"] is line["Best setting"] is None
    assert line["Seeds"] == 0


def test_runs_of_another_machine_may_be_on_the_same_data(root):
    runs = [
        run_of(
            root, name, optimizer=optimizer,
            settings={"dataset": {"name": "folder", "folder": f"/{name}/cats"}},
        )
        for name, optimizer in (("a", "vogn"), ("b", "adamw"))
    ]  # fmt: skip
    views = seen(runs)
    group = _group("mine", views)
    assert [view.run.id for view in group.best] in (["a"], ["b"])
    runs[1].predictions.unlink()  # nothing tells any more
    assert _group("mine", views).best == ()


def test_a_single_seed_has_no_deviation(sweep):
    for run in sweep[1:]:
        run.evaluation.unlink()
    (group,) = groups(seen(sweep))
    assert spread(group.best, "nll") == (0.5, None)
    (line,) = arrow([group], None).to_pylist()
    assert (line["NLL"], line["± NLL"], line["Seeds"]) == (0.5, None, 1)


def test_without_results_there_is_no_best(sweep):
    for run in sweep:
        run.evaluation.unlink()
    sweep[0].config.write_text("{")
    (group,) = groups(seen(sweep))
    (line,) = arrow([group], None).to_pylist()
    assert group.best == ()
    assert line["NLL"] is line["Best setting"] is None
    assert line["States"] == "5 finished"  # a damaged one knows no group


def test_the_latest_group_comes_first_and_single_runs_are_left_out(sweep, root):
    fakes.write_run(root, "alone")
    later = jobs.engine().submit([fakes.config()], group="zz")
    found = groups(seen([*sweep, *later, reading.find("alone")]))
    assert [group.name for group in found] == ["zz", "mine"]
    assert [row["Open"] for row in arrow(found, "mine").to_pylist()] == [
        "Open", "Close",
    ]  # fmt: skip
    assert arrow([], None).num_rows == 0


def test_every_column_has_a_look(sweep):
    assert set(drawn("open", "compare")) == set(
        arrow(groups(seen(sweep)), None).column_names
    )

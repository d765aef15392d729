"""Tests of `ui/views/compare/measured.py`."""

import pytest

from tests.ui.views.compare.examples import OOD, N, entries_of, run_of, views_of
from trainers.runs import RunError, read_json, write_json
from ui.views.compare.measured import gathered, known, scores, why


def test_scores_are_those_of_the_evaluation_with_their_intervals(root):
    run = run_of(root, "a")
    content, found = read_json(run.evaluation), scores(run)
    for name, value in content["metrics"].items():
        estimate = found.values[name, ""]
        assert float(estimate) == value
        low, high = content["intervals"][name]
        assert estimate.low == pytest.approx(min(low, value))
        assert estimate.high == pytest.approx(max(high, value))
    assert float(found.values["auroc", OOD]) == content["ood"][OOD]["auroc"]
    assert (found.num_examples, found.num_samples) == (N, 4)


def test_an_old_evaluation_has_numbers_without_intervals(root):
    run = run_of(root, "a")
    content = read_json(run.evaluation)
    del content["intervals"]
    write_json(run.evaluation, content)
    value = scores(run).values["nll", ""]
    assert value == content["metrics"]["nll"]
    assert not hasattr(value, "low")


def test_a_file_that_changed_is_read_again(root):
    run = run_of(root, "a")
    before = scores(run).values["nll", ""]
    content = read_json(run.evaluation)
    content["metrics"]["nll"] = before + 1
    write_json(run.evaluation, content)
    assert float(scores(run).values["nll", ""]) == before + 1


def test_what_is_missing_is_told_by_its_reason(root):
    runs = [
        run_of(root, "1", optimizer="vogn"),
        run_of(root, "2", optimizer="adamw", evaluated=False),
        run_of(root, "3", optimizer="sgd", evaluated=False),
    ]
    found, missing = gathered(entries_of(*runs), scores)
    assert [entry.name for entry, _ in found] == ["VOGN"]
    assert missing == {"was not evaluated": ["AdamW", "SGD"]}


def test_a_family_takes_part_with_the_runs_that_it_has(root):
    runs = [run_of(root, f"{k}", seed=k, evaluated=k != 1) for k in range(3)]
    ((entry, several),), missing = gathered(entries_of(*runs), scores)
    assert len(entry.views) == 3
    assert len(several) == 2
    assert list(missing.values()) == [["VOGN, seed 1"]]


@pytest.mark.parametrize("content", ["{", "[]", '{"metrics": {"nll": 1}}'])
def test_a_damaged_evaluation_costs_its_run_alone(root, content):
    good, bad = run_of(root, "1"), run_of(root, "2", seed=1)
    bad.evaluation.write_text(content)
    found, missing = gathered(entries_of(good, bad, by_seeds=False), scores)
    assert [entry.id for entry, _ in found] == ["1"]
    ((reason, names),) = missing.items()
    assert "evaluation.json" in reason or "damaged" in reason
    assert str(root) not in reason
    assert names == ["VOGN, seed 1"]


def test_reasons_say_what_is_the_matter(root):
    (live,) = views_of(run_of(root, "a", evaluated=False, state="stopped"))
    assert why(live, RunError("x")) == "was not evaluated"
    run = run_of(root, "b")
    (view,) = views_of(run)
    assert why(view, RunError(f"{run.predictions} is odd.")) == "predictions.npz is odd"
    assert "damaged" in why(view, KeyError("rows"))
    run.config.write_text("{")
    (broken,) = views_of(run)
    assert "the folder is damaged" in why(broken, RunError("x"))
    assert known(live, scores) is None

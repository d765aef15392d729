"""Tests of `ui/views/compare/comparable.py`."""

import numpy as np

from tests.ui.views.compare.examples import entries_of, run_of
from ui.views.compare.comparable import incomparable


def changed(run, **arrays):
    with np.load(run.predictions) as old:
        content = dict(old)
    np.savez(run.predictions, **(content | arrays))


def reason(*runs):
    return incomparable(*entries_of(*runs, by_seeds=False))


def test_the_same_examples_can_be_compared(root):
    assert reason(run_of(root, "a"), run_of(root, "b", optimizer="adamw")) == ""


def test_other_data_cannot(root):
    told = reason(run_of(root, "a"), run_of(root, "b", dataset="mnist"))
    assert told == "tested on other data, mnist instead of digits"


def own_run(root, name, folder, value=None):
    """A run on someone's own data; with a value it kept images that are all alike."""
    run = run_of(root, name, settings={"dataset": {"name": "folder", "folder": folder}})
    if value is not None:
        images = np.full((4, 6, 6), value, np.uint8)
        np.savez(run.images, images=images, rows=np.arange(4))
    return run


def test_another_upload_is_other_data(root):
    first, second = own_run(root, "a", "/up/x.npz"), own_run(root, "b", "/up/y.npz")
    assert reason(first, second) == "tested on other data, y instead of x"


def test_the_same_data_may_lie_elsewhere_on_another_machine(root):
    here, there = own_run(root, "a", "/up/x.npz", 9), own_run(root, "b", "/x.npz", 10)
    assert reason(here, there) == ""
    there = own_run(root, "c", "/x.npz", 99)
    told = "tested on other data, x of another folder instead of x"
    assert reason(here, there) == told


def test_other_examples_of_the_same_data_cannot(root):
    one, two = run_of(root, "a"), run_of(root, "b")
    with np.load(two.predictions) as arrays:
        rows, labels, found = (
            arrays[k] for k in ("indices", "labels", "probabilities")
        )
    changed(two, indices=rows[::-1])
    assert reason(one, two) == "tested on other examples of the same number"
    changed(two, indices=rows, labels=(labels + 1) % 10)
    assert reason(one, two) == "tested on other examples of the same number"
    changed(two, labels=labels[:99], indices=rows[:99], probabilities=found[:, :99])
    assert reason(one, two) == "tested on other examples, 99 instead of 240"


def test_what_was_not_evaluated_or_is_damaged_is_said(root):
    one, two = run_of(root, "a"), run_of(root, "b", evaluated=False)
    assert reason(one, two) == "was not evaluated"
    assert reason(two, one) == "the baseline: was not evaluated"
    three = run_of(root, "c")
    three.predictions.write_bytes(b"nothing")
    told = reason(one, three)
    assert told.startswith("what they were tested on cannot be read")
    assert str(root) not in told
    np.savez(three.predictions, probabilities=np.ones((1, 1, 10)))
    told = reason(one, three)
    assert told.endswith("labels in predictions.npz does not exist")
    three.evaluation.write_text("{}")
    assert "damaged" in reason(one, three)

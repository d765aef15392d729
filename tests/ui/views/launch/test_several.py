"""Tests of `ui/views/launch/several.py`; the launch page's tests fill it in."""

import pytest

from trainers.catalogue import OPTIMIZERS
from ui.views.launch.plans import setting_title
from ui.views.launch.several import axis_names, example, hint


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_setting_that_can_vary_has_a_title_an_example_and_a_hint(name):
    spec = OPTIMIZERS[name]
    offered = axis_names(spec)
    assert len(set(offered)) == len(offered)
    assert {"seed", "folder"}.isdisjoint(offered)
    assert offered[0] == spec.hyperparameters[0].name
    for axis in offered:
        assert setting_title(axis)
        assert example(spec, axis)
        assert hint(spec, axis)


def test_examples_are_values_of_the_setting():
    vogn = OPTIMIZERS["vogn"]
    assert example(vogn, "sampled") == "true, false"
    assert example(vogn, "curvature") == "empirical, fisher"
    assert example(vogn, "momentum") == "0.9, ..."
    assert example(vogn, "batch_size") == "128, ..."
    assert example(vogn, "schedule") == "cosine, constant, polynomial"
    assert example(vogn, "rescale_weights") == "true, false"
    assert example(vogn, "mixup") == "0.0, ..."


def test_hints_tell_the_rule_or_the_flag():
    vogn = OPTIMIZERS["vogn"]
    assert "\\[0, 1\\)" in hint(vogn, "momentum")
    assert hint(vogn, "batch_size") == "As on the command line, --batch-size."
    assert "lenet5" in hint(vogn, "model")

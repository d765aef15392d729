"""What numbers do not tell is told."""

from dataclasses import replace

import pytest

from calibration.report.words.limits import limitations
from tests.calibration.report.examples import example_model

MODEL = example_model(0)


def test_limits_of_small_sets_are_told():
    model = replace(MODEL, num_examples=200)
    assert any("200 test examples are few" in each for each in limitations([model]))
    assert len(set(limitations([model, model]))) == len(limitations([model, model]))


def test_a_likelihood_of_zero_is_told():
    assert not any("infinite" in each for each in limitations([MODEL]))
    told = limitations([replace(MODEL, num_impossible=3)])
    assert any("3 test examples has probability 0" in each for each in told)


@pytest.mark.parametrize("section", ["recalibration", "conformal"])
def test_fitting_on_a_part_of_the_test_set_is_told(section):
    others = {"recalibration": None, "conformal": None}
    for held_out in (True, False):
        # In words of any kind: it is not the sentence that decides.
        found = replace(
            getattr(MODEL, section), held_out=held_out, fitted_on="Half of it."
        )
        model = replace(MODEL, **(others | {section: found}))
        told = any("on one half of the test" in each for each in limitations([model]))
        assert told != held_out

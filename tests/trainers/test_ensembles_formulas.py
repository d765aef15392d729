"""Tests of the ensembles' formulas."""

from trainers.ensembles_formulas import ENSEMBLE, MULTI_VOGN
from trainers.natural_formulas import VOGN


def test_multi_vogn_is_vogn_but_for_the_mixture():
    assert MULTI_VOGN.lines[-len(VOGN.lines) + 1 :] == VOGN.lines[1:]
    assert set(VOGN.symbols) < set(MULTI_VOGN.symbols)


def test_both_say_that_there_is_no_mean():
    for formula in (ENSEMBLE, MULTI_VOGN):
        assert any("no network at its mean" in line for line in formula.limits)

"""Tests of the optimizers that use curvature, as data."""

import pytest

from trainers.natural import KFAC, NOISY_KFAC, SP_NGD, VOGN


def test_who_learns_a_distribution_and_who_keeps_a_velocity():
    every = (VOGN, KFAC, NOISY_KFAC, SP_NGD)
    assert [spec.bayesian for spec in every] == [True, False, True, False]
    assert [spec.keeps_velocity for spec in every] == [False, True, True, True]


def test_shared_settings_have_defaults_of_their_own():
    clips = [spec.defaults()["kl_clip"] for spec in (NOISY_KFAC, KFAC, SP_NGD)]
    assert clips[1:] == [KFAC.defaults()["kl_clip"]] * 2
    assert clips[0] != clips[1]


def test_noisy_kfac_needs_a_damping_or_a_prior():
    assert NOISY_KFAC.validated({"damping": 0})["prior_precision"] == "auto"
    with pytest.raises(ValueError, match="damping must be > 0 when prior_precision is"):
        NOISY_KFAC.validated({"damping": 0, "prior_precision": 0})

"""Tests of the first-order optimizers, as data."""

from trainers.first_order import ADAMW, LAMB, SGD


def test_none_has_a_posterior_and_one_keeps_a_velocity():
    every = (ADAMW, SGD, LAMB)
    assert not any(spec.bayesian for spec in every)
    assert [spec.keeps_velocity for spec in every] == [False, True, False]


def test_those_of_adams_kin_share_their_averages():
    shared = [
        [h for h in spec.hyperparameters if h.name.startswith("beta")]
        for spec in (ADAMW, LAMB)
    ]
    assert shared[0] == shared[1]
    assert [each.default for each in shared[0]] == [0.9, 0.999]

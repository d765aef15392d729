"""Averages, variances and priors of a mixture, from small numbers by hand."""

import pytest
import torch

from vogn_app.posterior.mixture_moments import (
    average,
    common_prior,
    differing,
    share,
    two_terms,
)

MEANS = [
    {"a": torch.tensor([1.0, 2.0]), "same": torch.tensor(0.1), "n": torch.tensor(1)},
    {"a": torch.tensor([3.0, 2.0]), "same": torch.tensor(0.1), "n": torch.tensor(2)},
    {"a": torch.tensor([5.0, 2.0]), "same": torch.tensor(0.1), "n": torch.tensor(2)},
]


def test_what_differs_in_one_component_differs():
    assert differing(MEANS) == {"a", "n"}
    assert differing(MEANS[1:]) == {"a"}
    assert differing(MEANS[:1]) == set()


def test_averages_are_in_the_types_and_the_order_of_the_components():
    got = average(MEANS, differing(MEANS))
    assert list(got) == ["a", "same", "n"]
    assert got["a"].tolist() == [3.0, 2.0]
    assert got["same"] is MEANS[0]["same"]  # not rounded
    assert got["n"] == 1  # whole numbers have no average
    half = average([{"a": torch.tensor(1.0).half()}] * 3, {"a"})
    assert half["a"].dtype == torch.float16


def test_the_terms_of_the_variance():
    variances = [{"a": torch.tensor([3.0, 6.0])}, {}, {"a": torch.tensor([0.0, 3.0])}]
    within, between = two_terms("a", MEANS, variances)
    assert within.tolist() == [1.0, 3.0]
    assert between.tolist() == [pytest.approx(8 / 3), 0.0]
    assert within.dtype == between.dtype == torch.float64


def test_small_differences_of_large_weights_are_not_lost():
    # In float32 the squares of 4096 and its neighbour differ in no bit that is kept.
    means = [{"a": torch.tensor(4096.0 + d).float()} for d in (0.0, 2**-11)]
    _, between = two_terms("a", means, [{}, {}])
    assert between == 2.0**-24


def test_the_share_between_components():
    one = (torch.tensor([1.0]), torch.tensor([3.0]))
    still = (torch.zeros(2), torch.zeros(2))
    assert share([one, still]) == 0.75
    assert share([still]) == 0.0
    assert share([(torch.zeros(1), torch.ones(1))]) == 1.0


def test_a_prior_is_that_on_which_all_agree():
    priors = [{"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 1.0, "b": 1.0}]
    assert common_prior(priors) == {"a": 1.0}
    assert common_prior(priors[:1]) == priors[0]

"""The low-rank posterior: its covariance, its ends, errors."""

import re
from math import sqrt

import pytest
import torch

from vogn_app.posterior import LowRankPosterior
from vogn_app.posterior.draws import draw_keys

from .examples import Tied, assert_same, convnet, mlp, tensors_of
from .mixture_examples import low_rank_posterior

MEAN = {"a": torch.tensor([[1.0, -2.0]]), "b": torch.tensor(3.0), "c": torch.ones(2)}
VARIANCE = {"b": torch.tensor(0.25), "a": torch.tensor([[4.0, 0.0]])}
DEVIATIONS = {
    "b": torch.tensor([2.0, -1.0, 0.0]),
    "a": torch.tensor([[[1.0, 0.5]], [[0.0, 1.0]], [[-1.0, 2.0]]]),
}


def small(**changes):
    fields = {"mean": MEAN, "variance": VARIANCE, "deviations": DEVIATIONS} | changes
    tensors = ("mean", "variance", "deviations")
    double = {f: {n: t.double() for n, t in fields.pop(f).items()} for f in tensors}
    return LowRankPosterior(**double, **fields)


def covariance(scale=1.0):
    """The formula, of a[0], a[1] and b."""
    stacked = torch.cat([DEVIATIONS["a"].flatten(1), DEVIATIONS["b"][:, None]], 1)
    diagonal = torch.cat([VARIANCE["a"].flatten(), VARIANCE["b"][None]])
    stacked, diagonal = stacked.double(), diagonal.double()
    return scale * (diagonal.diag() / 2 + stacked.T @ stacked / (2 * 2))


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_draws_have_the_covariance_of_the_formula(scale):
    num = 20_000
    draws = small(scale=scale).sample(num, seed=3)
    weights = torch.cat([draws["a"].flatten(1), draws["b"][:, None]], 1)
    expected = covariance(scale)
    centre = torch.tensor([1.0, -2.0, 3.0]).double()
    # The mean of n draws has deviation sqrt(C_ii / n), an entry of their scatter about
    # the true mean sqrt((C_ii C_jj + C_ij^2) / n): 5 of them are allowed.
    variances = expected.diagonal()
    assert ((weights.mean(0) - centre).abs() < 5 * (variances / num).sqrt()).all()
    scatter = (weights - centre).T @ (weights - centre) / num
    spread = (torch.outer(variances, variances) + expected.square()) / num
    assert ((scatter - expected).abs() < 5 * spread.sqrt()).all()
    assert torch.equal(draws["c"], torch.ones(num, 2).double())


def test_a_draw_is_the_sum_of_its_two_parts():
    # The noise of a key: first that of a and b, in order of names, then of the K.
    (key,) = draw_keys(1, seed=5)
    z = torch.empty(3 + 3, dtype=torch.float64)
    z.normal_(generator=torch.Generator().manual_seed(key))
    draw = small().sample(seed=5)
    diagonal = z[:2] * VARIANCE["a"][0].double().sqrt() / sqrt(2)
    directions = z[3:] @ DEVIATIONS["a"][:, 0].double() / sqrt(2 * 2)
    expected = MEAN["a"][0].double() + diagonal + directions
    torch.testing.assert_close(draw["a"][0], expected, rtol=1e-14, atol=1e-14)


def test_variances_are_the_diagonal_of_the_formula():
    variances = small(scale=2.0).variances()
    expected = covariance(2.0).diagonal()
    got = torch.cat([variances["a"].flatten(), variances["b"][None]])
    torch.testing.assert_close(got, expected, rtol=1e-14, atol=0)


def test_without_deviations_the_whole_variance_is_the_diagonals():
    posterior = small(deviations={}, scale=2.0)
    assert posterior.num_deviations == 0
    for name, variance in posterior.variances().items():
        torch.testing.assert_close(variance, 2 * VARIANCE[name].double())
    (key,) = draw_keys(1)
    z = torch.empty(3, dtype=torch.float64)
    z.normal_(generator=torch.Generator().manual_seed(key))
    expected = 3 + sqrt(2.0) * 0.5 * z[2]
    torch.testing.assert_close(posterior.sample()["b"], expected)


def test_the_order_of_names_changes_no_draw():
    turned = {
        field: dict(reversed(each.items()))
        for field, each in (("variance", VARIANCE), ("deviations", DEVIATIONS))
    }
    ours, theirs = small().sample(3), small(**turned).sample(3)
    assert_same(ours, theirs)


def test_summary_and_marginals_have_the_variances():
    posterior = small()
    deviations = posterior.variances()["b"].sqrt(), posterior.variances()["a"].sqrt()
    (row,) = posterior.summary()
    assert row.num_parameters == 3
    assert row.deviation == pytest.approx(
        float(deviations[0] + deviations[1].sum()) / 3
    )
    assert row.kl is row.effective_parameters is row.between is None
    marginals = posterior.marginals()
    assert list(marginals.prior_precision.values()) == [0.0, 0.0]
    for name, variance in marginals.variances().items():
        torch.testing.assert_close(variance, posterior.variances()[name])
    # Without any noise a layer is certain.
    (still,) = small(variance={"b": torch.tensor(0.0)}, deviations={}).summary()
    assert (still.deviation, still.signal_to_noise) == (0, None)


def test_half_precision_is_drawn_in_single():
    posterior = low_rank_posterior(mlp()).to(dtype=torch.float16)
    assert {t.dtype for t in posterior.mean.values()} == {torch.float16}
    assert {t.dtype for t in posterior.variance.values()} == {torch.float32}
    assert {t.dtype for t in posterior.deviations.values()} == {torch.float32}
    assert {t.dtype for t in posterior.sample(2).values()} == {torch.float16}


def test_the_mean_goes_into_a_model():
    source, target = convnet(), convnet()
    low_rank_posterior(source).load_into(target)
    assert_same(tensors_of(target), tensors_of(source))


def test_parameters_of_any_shape_are_drawn():
    posterior = low_rank_posterior(Tied(), num_deviations=2)
    draws = posterior.sample(4)
    assert draws["scale"].shape == (4,)
    assert draws["scale"].unique().numel() == 4


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"variance": {"b": torch.tensor(-1.0)}, "deviations": {}},
            "variance must be finite and >= 0, got -1 for b.",
        ),
        (
            {"variance": {"b": torch.tensor(torch.inf)}, "deviations": {}},
            "variance must be finite and >= 0, got inf for b.",
        ),
        (
            {"variance": {"b": torch.ones(2)}, "deviations": {}},
            "variance must have the shape of mean, () for b, got (2,).",
        ),
        (
            {"variance": {"x": torch.ones(2)}, "deviations": {}},
            "variance must name parameters of mean, got x.",
        ),
        (
            {"deviations": {"b": torch.ones(3)}},
            "deviations must have the names of variance, or none, got 1 names for 2.",
        ),
        (
            {"deviations": {n: each[:1] for n, each in DEVIATIONS.items()}},
            "deviations must be the same number of at least 2 for each parameter, "
            "got 1.",
        ),
        (
            {"deviations": {**DEVIATIONS, "b": torch.ones(2)}},
            "deviations must be the same number of at least 2 for each parameter, "
            "got 2, 3.",
        ),
        (
            {"deviations": {**DEVIATIONS, "b": torch.ones(())}},
            "deviations must be the same number of at least 2 for each parameter, "
            "got 0, 3.",
        ),
        (
            {"deviations": {**DEVIATIONS, "b": torch.ones(3, 1)}},
            "each of deviations must have the shape of mean, () for b, got (1,).",
        ),
        (
            {"deviations": {**DEVIATIONS, "b": torch.full((3,), torch.nan)}},
            "deviations must be finite, got nan for b.",
        ),
        ({"scale": 0.0}, "scale must be a finite number in (0, inf), got 0.0."),
        (
            {"prior_precision": {"b": 1.0}},
            "prior_precision must have the names of variance, got a difference in a.",
        ),
    ],
)
def test_wrong_fields_are_named(changes, text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        small(**changes)

"""Mixtures: whose draw is whose, moments by the law of total variance, errors."""

import re
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from vogn_app.posterior import GaussianPosterior, MixturePosterior

from .examples import Tied, assert_same, convnet, mlp, posterior_of, tensors_of
from .mixture_examples import (
    dropout_posterior,
    gaussian_mixture,
    low_rank_posterior,
    point_mixture,
    points_of,
)


def test_draws_of_points_are_exactly_the_networks_one_after_another():
    model, points = convnet(), points_of(convnet)
    mixture = MixturePosterior.of_points(model, points)
    before = tensors_of(model)
    for index in range(5):
        parameters, buffers = points[index % 3]
        with mixture.sampled(model, index=index, seed=index):
            assert_same(dict(model.named_parameters()), parameters)
            assert_same(dict(model.named_buffers()), buffers)
        assert_same(tensors_of(model), before)
    draws = mixture.sample(5)
    assert list(draws) == list(points[0][0])
    for name, tensor in draws.items():
        expected = [points[k % 3][0][name] for k in range(5)]
        assert torch.equal(tensor, torch.stack(expected))


def test_draws_of_gaussians_are_those_of_the_components_with_a_key_each():
    mixture = gaussian_mixture(mlp)
    draws = mixture.sample(7, seed=4)
    for index in range(7):
        component = mixture.components[index % 3]
        own = {n: each[index] for n, each in component.sample(7, seed=4).items()}
        assert_same({name: each[index] for name, each in draws.items()}, own)
    few = mixture.sample(2, seed=4)
    assert_same(few, {name: each[:2] for name, each in draws.items()})
    assert_same(mixture.sample(seed=4), {n: each[0] for n, each in draws.items()})


def test_components_may_be_of_any_kind_but_mixtures():
    build = Tied
    components = (
        posterior_of(build()), low_rank_posterior(build()), dropout_posterior(build()),
    )  # fmt: skip
    mixture, model = MixturePosterior(components=components), build()
    draws = mixture.sample(4, seed=2)
    for index, component in enumerate((*components, components[0])):
        own = component.sample(4, seed=2)
        with mixture.sampled(model, index=index, seed=2):
            for name, parameter in model.named_parameters():
                assert torch.equal(parameter, own[name][index])
                assert torch.equal(draws[name][index], own[name][index])


def test_draws_of_an_average_are_a_multiple_of_the_components():
    points, noisy = point_mixture(mlp), gaussian_mixture(mlp)
    assert [points.num_draws(n) for n in (1, 2, 3, 32)] == [3, 3, 3, 3]
    assert [noisy.num_draws(n) for n in (1, 3, 4, 32)] == [3, 3, 6, 33]
    assert gaussian_mixture(mlp, 1).num_draws(32) == 32
    text = "wanted must be a whole number >= 1, got 0."
    with pytest.raises(ValueError, match=re.escape(text)):
        points.num_draws(0)


def test_an_average_counts_each_point_once_however_many_draws_are_asked_for():
    model, mixture, x = mlp(), point_mixture(mlp), torch.randn(5, 4)
    each = mixture.predict_proba(model, x, 3, average=False)
    for wanted in (1, 2, 32):
        got = mixture.predict_proba(model, x, wanted)
        torch.testing.assert_close(got, each.mean(0), rtol=1e-14, atol=1e-14)
    assert mixture.predict(model, x, 7).shape == (7, 5, 3)


def test_an_average_weighs_all_components_alike():
    components = tuple(
        GaussianPosterior(
            mean={"weight": torch.tensor([[centre]]).double()},
            precision={"weight": torch.full((1, 1), 1e12).double()},
            prior_precision={"weight": 1.0},
        )
        for centre in (3.0, 0.0, 0.0)
    )
    mixture = MixturePosterior(components=components)
    model, x = nn.Linear(1, 1, bias=False).double(), torch.ones(1, 1).double()
    for wanted in (1, 7, 8, 32):
        found = mixture.predict_proba(model, x, wanted, link=lambda z: z)
        assert found.item() == pytest.approx(1, abs=1e-4)


def test_the_mean_is_no_network():
    model, mixture = convnet(), point_mixture(convnet)
    before = tensors_of(model)
    assert not mixture.has_mean
    text = (
        "MixturePosterior has no one network to load: use "
        "`with posterior.sampled(model, index=k):`"
    )
    with pytest.raises(ValueError, match=re.escape(text)):
        mixture.load_into(model)
    assert_same(tensors_of(model), before)


def test_mean_and_variances_are_those_of_the_points():
    mixture = point_mixture(mlp, 4)
    draws = mixture.sample(4)
    for name, variance in mixture.variances().items():
        expected = draws[name].var(0, correction=0)
        torch.testing.assert_close(variance, expected, rtol=1e-12, atol=0)
        torch.testing.assert_close(mixture.mean[name], draws[name].mean(0))
    assert list(mixture.mean) == list(mixture.variances()) == mixture.sampled_names


def test_the_variance_of_gaussians_is_within_and_between():
    mean, deviation = torch.tensor([[3.0, 5.0], [-1.0, 5.0]]), torch.tensor([2.0, 0.5])
    components = tuple(
        GaussianPosterior(
            mean={"0.w": m.double()},
            precision={"0.w": torch.full((2,), 1 / d**2, dtype=torch.float64)},
            prior_precision={"0.w": 1.5},
        )
        for m, d in zip(mean, deviation.tolist(), strict=True)
    )
    mixture = MixturePosterior(components=components)
    within = (4 + 0.25) / 2
    assert mixture.mean["0.w"].tolist() == [1.0, 5.0]
    assert mixture.variances()["0.w"].tolist() == [within + 4, within]
    assert mixture.prior_precision == {"0.w": 1.5}
    marginals = mixture.marginals()
    assert marginals.precision["0.w"].tolist() == [1 / (within + 4), 1 / within]
    (row,) = mixture.summary()
    assert row.between == pytest.approx(4 / (4 + 2 * within))
    assert row.deviation == pytest.approx(((within + 4) ** 0.5 + within**0.5) / 2)
    assert row.signal_to_noise == pytest.approx(1 / (within + 4) ** 0.5)
    assert row.kl is row.effective_parameters is None


def test_many_draws_have_the_moments():
    # Stratified draws: the mean of n has at most the variance v / n, and here 5
    # deviations of it are allowed for each of 67 weights: P < 67 * 6e-7.
    mixture, num = gaussian_mixture(mlp), 3000
    draws, variances = mixture.sample(num, seed=1), mixture.variances()
    for name, mean in mixture.mean.items():
        bound = 5 * (variances[name] / num).sqrt()
        assert ((draws[name].mean(0) - mean).abs() <= bound).all()


def test_a_single_point_has_a_summary_without_deviation():
    mixture = point_mixture(mlp, 1)
    assert mixture.sampled_names == []
    rows = mixture.summary()
    assert [row.name for row in rows] == ["0", "2"]
    assert {(r.deviation, r.signal_to_noise, r.between) for r in rows} == {(0, None, 0)}
    assert mixture.marginals().precision == {}


def test_what_is_the_same_in_all_has_no_noise_and_is_one_tensor():
    model = mlp()
    heads = [
        ({"2.weight": torch.randn(3, 8), "2.bias": torch.randn(3)}, {})
        for _ in range(3)
    ]
    mixture = MixturePosterior.of_points(model, heads)
    assert mixture.sampled_names == ["2.weight", "2.bias"]
    first, *others = mixture.components
    for name in ("0.weight", "0.bias"):
        assert torch.equal(mixture.mean[name], model.get_parameter(name))
        for other in others:
            assert other.mean[name].data_ptr() == first.mean[name].data_ptr()
    assert [row.name for row in mixture.summary()] == ["2"]
    assert repr(mixture).startswith(
        "MixturePosterior(num_parameters=67, num_sampled=27"
    )


def test_a_weight_without_variance_among_others_breaks_nothing():
    points = [({"0.bias": torch.tensor([float(k)] + [0.0] * 7)}, {}) for k in range(2)]
    mixture = MixturePosterior.of_points(mlp(), points)
    (row,) = mixture.summary()
    assert row.deviation == 0.5 / 8
    assert row.signal_to_noise is None  # the median is of a weight without noise
    precision = mixture.marginals().precision["0.bias"]
    assert precision[0] == 4
    assert precision.isfinite().all()


def test_points_are_copies_in_the_models_types():
    model, points = mlp(), [({"0.bias": torch.ones(8)}, {}) for _ in range(2)]
    mixture = MixturePosterior.of_points(model, points)
    points[0][0]["0.bias"].zero_()
    with torch.no_grad():
        model[0].weight.zero_()
    first = mixture.components[0].mean
    assert first["0.bias"].eq(1).all()
    assert not first["0.weight"].eq(0).all()
    assert mixture.to(dtype=torch.float16).mean["0.bias"].dtype == torch.float16


def test_wrapped_models_give_and_take_the_same():
    points, x = points_of(convnet), torch.randn(3, 1, 6, 6)
    wraps = {
        "module": nn.DataParallel,
        "_orig_mod": partial(torch.compile, backend="eager"),
    }
    for prefix, wrap in wraps.items():
        wrapped = wrap(convnet())
        assert f"{prefix}.0.weight" in dict(wrapped.named_parameters())
        renamed = [
            [{f"{prefix}.{name}": t for name, t in each.items()} for each in point]
            for point in points
        ]
        mixture = MixturePosterior.of_points(wrapped, renamed)
        assert_same(mixture.components[1].mean, points[1][0])
        assert_same(mixture.components[1].buffers, points[1][1])
        expected = mixture.predict(convnet(), x, 4)
        assert torch.equal(mixture.predict(wrapped, x, 4), expected)


WRONG = {
    "none": (lambda: (), "components must be at least one posterior, got none."),
    "one": (
        lambda: posterior_of(mlp()),
        "components must be at least one posterior, got GaussianPosterior.",
    ),
    "model": (
        lambda: [mlp()],
        "components must be posteriors that are no mixtures, got Sequential.",
    ),
    "mixture": (
        lambda: [point_mixture(mlp)],
        "components must be posteriors that are no mixtures, got MixturePosterior.",
    ),
    "names": (
        lambda: [posterior_of(mlp()), posterior_of(nn.Sequential(nn.Linear(4, 8)))],
        "components must have the same parameters in shape, type and device, got a "
        "difference in 2.bias, 2.weight.",
    ),
    "shapes": (
        lambda: [posterior_of(nn.Linear(4, 8)), posterior_of(nn.Linear(5, 8))],
        "components must have the same parameters in shape, type and device, got a "
        "difference in weight.",
    ),
    "buffers": (
        lambda: [
            posterior_of(convnet()),
            replace(posterior_of(convnet()), buffers={}),
        ],
        "components must have the same persistent buffers in shape, type and device, ",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_does_not_fit_is_an_error(kind):
    build, text = WRONG[kind]
    components = build()
    with pytest.raises(ValueError, match=re.escape(text)):
        MixturePosterior(components=components)


@pytest.mark.parametrize(
    ("point", "text"),
    [
        (({"x": torch.ones(1)}, {}), "points must name parameters of model, got x."),
        (
            ({}, {"x": torch.ones(1)}),
            "points must name persistent buffers of model, got x.",
        ),
        (
            ({"0.bias": torch.ones(1)}, {}),
            "points must have the shapes of model's parameters, got a difference in "
            "0.bias.",
        ),
    ],
)
def test_points_that_do_not_fit_are_errors(point, text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        MixturePosterior.of_points(mlp(), [point])


def test_metadata_are_checked():
    with pytest.raises(ValueError, match=r"^metadata must be strings and numbers"):
        MixturePosterior(components=[posterior_of(mlp())], metadata={"a": []})


def test_a_mixture_of_one_is_that_one():
    model = nn.Linear(2, 3)
    (only,) = MixturePosterior.of_points(model, [({}, {})]).components
    posterior = MixturePosterior(components=(only,))
    assert posterior.has_mean
    other = nn.Linear(2, 3)
    posterior.load_into(other)
    assert torch.equal(other.weight, model.weight)

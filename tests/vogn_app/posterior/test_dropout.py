"""The dropout posterior: whole columns, the right scale, the right weights."""

import re

import pytest
import torch
from torch import nn

from vogn_app.posterior import DropoutPosterior

from .examples import assert_same, convnet, mlp, tensors_of
from .mixture_examples import dropout_posterior


def test_a_draw_drops_whole_columns_and_scales_the_others():
    model, rate = convnet(), 0.4
    posterior = DropoutPosterior.from_model(model, {"0.weight": 0.0, "5.weight": rate})
    assert posterior.sampled_names == ["5.weight"]
    draws = posterior.sample(8)
    weight = model[5].weight
    ratio = draws["5.weight"] / weight
    dropped = ratio.eq(0)
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))  # the same rows
    torch.testing.assert_close(
        draws["5.weight"], (weight / (1 - rate)).where(~dropped, 0.0)
    )
    assert not torch.equal(dropped[0], dropped[1])
    for name, mean in posterior.mean.items():
        if name != "5.weight":
            assert torch.equal(draws[name], mean.expand_as(draws[name]))


def test_a_draw_is_the_network_whose_inputs_are_dropped():
    model, x = mlp(), torch.randn(5, 4)
    posterior = DropoutPosterior.from_model(model, {"2.weight": 0.5})
    for index in range(3):
        with posterior.sampled(model, index=index), torch.no_grad():
            got = model(x)
        weight = posterior.sample(3)["2.weight"][index]
        kept = (weight != 0).any(0)
        hidden = model[1](model[0](x)).detach() * kept / 0.5
        expected = nn.functional.linear(hidden, model[2].weight, model[2].bias)
        torch.testing.assert_close(got, expected.detach())


def test_channels_of_convolutions_are_columns():
    model = nn.Sequential(nn.Conv1d(6, 2, 3))
    draw = DropoutPosterior.from_model(model, {"0.weight": 0.5}).sample()["0.weight"]
    dropped = draw.eq(0)
    assert torch.equal(dropped, dropped[:1, :, :1].expand_as(dropped))
    assert 0 < dropped.sum() < dropped.numel()


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_many_draws_have_the_mean_and_the_rate(rate):
    num, size = 4000, 8
    posterior = DropoutPosterior.from_model(mlp(), {"2.weight": rate})
    kept = posterior.sample(num)["2.weight"][:, 0] != 0
    # Each of 8 columns is kept Binomial(n, 1 - p) times: 5 deviations are allowed.
    bound = 5 * (rate * (1 - rate) / num) ** 0.5
    assert ((kept.double().mean(0) - (1 - rate)).abs() < bound).all()
    # Two columns are dropped independently: the product has probability (1 - p)^2.
    both = (kept[:, :1] & kept[:, 1:]).double().mean(0)
    chance = (1 - rate) ** 2
    assert ((both - chance).abs() < 5 * (chance * (1 - chance) / num) ** 0.5).all()
    assert kept.shape == (num, size)


def test_variances_and_summary_are_the_closed_form():
    model = mlp()
    posterior = DropoutPosterior.from_model(model, {"2.weight": 0.2})
    expected = model[2].weight.detach().square() * 0.2 / 0.8
    torch.testing.assert_close(posterior.variances()["2.weight"], expected)
    (row,) = posterior.summary()
    assert (row.name, row.num_parameters) == ("2", 24)
    assert row.deviation == pytest.approx(expected.sqrt().mean().item())
    assert row.signal_to_noise == pytest.approx(2.0)  # sqrt(0.8 / 0.2)
    assert row.kl is row.effective_parameters is None
    assert list(posterior.marginals().precision) == ["2.weight"]


def test_the_models_own_dropout_is_off():
    model, x = convnet(), torch.randn(5, 1, 6, 6)
    still = DropoutPosterior.from_model(model, {"5.weight": 0.0})
    got = still.predict(model.train(), x, 2)
    assert torch.equal(got[0], got[1])
    with torch.no_grad():
        torch.testing.assert_close(got[0], model.eval()(x))


def test_mean_and_buffers_are_copies_that_go_into_a_model():
    source, target = convnet(), convnet()
    posterior, before = dropout_posterior(source), tensors_of(source)
    with torch.no_grad():
        source[0].weight.zero_()
    posterior.load_into(target)
    assert_same(tensors_of(target), before)


def test_names_of_wrapped_models_are_theirs():
    wrapped = nn.DataParallel(mlp())
    posterior = DropoutPosterior.from_model(wrapped, {"module.2.weight": 0.5})
    assert posterior.sampled_names == ["2.weight"]


GROUPED = nn.Sequential(nn.Conv2d(4, 4, 1, groups=2))
TRANSPOSED = nn.Sequential(nn.ConvTranspose2d(4, 2, 1))


@pytest.mark.parametrize(
    ("model", "rates", "text"),
    [
        (mlp(), {"x": 0.5}, "rates must name parameters of model, got x."),
        (
            GROUPED, {"0.weight": 0.5}, "rates must be of linear layers and "
            "convolutions in one group, got Conv2d for 0.weight.",
        ),
        (
            TRANSPOSED, {"0.weight": 0.5}, "rates must be of linear layers and "
            "convolutions in one group, got ConvTranspose2d for 0.weight.",
        ),
        (
            mlp(), {"0.bias": 0.5}, "rates must be of real floating-point weights "
            "[out, in, ...], got torch.float64 of shape (8,) for 0.bias.",
        ),
        (
            mlp(), {"0.weight": 1.0},
            "rate of 0.weight must be a finite number in [0, 1), got 1.0.",
        ),
        (
            mlp(), {"0.weight": -0.1},
            "rate of 0.weight must be a finite number in [0, 1), got -0.1.",
        ),
    ],
)  # fmt: skip
def test_wrong_rates_are_named(model, rates, text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        DropoutPosterior.from_model(model.double(), rates)


def test_wrong_fields_are_named():
    mean = {"w": torch.ones(2, 2)}
    with pytest.raises(ValueError, match=r"^rates must be a dict of numbers by name"):
        DropoutPosterior(mean=mean, rates=[0.5])
    with pytest.raises(ValueError, match=r"^rates must name parameters of mean, got x"):
        DropoutPosterior(mean=mean, rates={"x": 0.5})
    text = r"^prior_precision must have the names of rates > 0, got a difference in b"
    with pytest.raises(ValueError, match=text):
        DropoutPosterior(
            mean=mean, rates={"w": 0.5}, prior_precision={"b": 1.0, "w": 1}
        )

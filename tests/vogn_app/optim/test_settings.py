"""Settings of VOGN beyond its equations: what each does, and what "auto" stands for."""

import math
import re

import pytest
import torch

from tests.vogn_app.optim.networks import (
    DETERMINISTIC,
    batch,
    block,
    gathered,
    loop,
    network,
    weights,
)
from vogn_app import VOGN

# --- "auto" -----------------------------------------------------------------------


@pytest.mark.parametrize(("num_data", "factor"), [(1000, 1.0), (60_000, 2.0)])
def test_automatic_settings_follow_the_number_of_examples(num_data, factor):
    optimizer = VOGN(network(), num_data=num_data, augmentation_factor=factor)
    (group,), num = optimizer.param_groups, num_data * factor
    assert group["lr"] == pytest.approx(4000 / num)
    assert group["initial_curvature"] == pytest.approx(8000 / num)
    assert group["damping"] == pytest.approx(1600 / num)
    assert group["prior_precision"] == pytest.approx(num / 1200)


def test_the_first_noise_and_the_priors_share_do_not_depend_on_the_data_size():
    deviations, shares = [], []
    for num_data in (100, 10_000):
        optimizer = VOGN(network(), num_data=num_data)
        (group,) = optimizer.param_groups
        deviations.append(1 / math.sqrt(num_data * group["initial_curvature"]))
        shares.append(group["prior_precision"] / num_data)
    assert deviations[0] == pytest.approx(deviations[1])
    assert shares[0] == pytest.approx(shares[1])


def test_a_group_resolves_auto_by_its_own_size_and_schedulers_see_numbers():
    model = network()
    groups = [
        {"params": model[0].parameters(), "num_data": 400},
        {"params": model[2].parameters(), "lr": 0.5},
    ]
    optimizer = VOGN(model, num_data=100, params=groups)
    assert [g["lr"] for g in optimizer.param_groups] == [10.0, 0.5]
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    block(optimizer, *batch())
    optimizer.step()
    scheduler.step()
    assert [g["lr"] for g in optimizer.param_groups] == [5.0, 0.25]


@pytest.mark.parametrize("name", ["temperature", "momentum", "weight_decay"])
def test_other_settings_cannot_be_automatic(name):
    with pytest.raises(ValueError, match=f"^{name} must be .*, got 'auto'"):
        VOGN(network(), num_data=10, **{name: "auto"})


# --- prior ------------------------------------------------------------------------


def test_prior_precision_by_name_and_pattern():
    prior = {"0.weight": 3.0, "0.*": 4.0}
    model = network()
    optimizer = VOGN(
        model, num_data=1200, prior_precision=prior, initial_curvature=2.0, damping=0
    )
    expected = {"0.weight": 3.0, "0.bias": 4.0, "2.weight": 1.0, "2.bias": 1.0}
    for name, precision in optimizer.posterior_precision().items():
        assert (precision == 1200 * 2.0 + expected[name]).all(), name
    before = weights(model)
    block(optimizer, *batch())
    gradients, squares = gathered(optimizer)
    optimizer.step()
    for group in optimizer.param_groups:
        for p in group["params"]:
            name = next(n for n, q in model.named_parameters() if q is p)
            share = expected[name] / 1200
            s = 0.999 * 2.0 + 0.001 * squares[name]
            step = (gradients[name] + share * before[name]) / (s + share)
            torch.testing.assert_close(p.detach(), before[name] - group["lr"] * step)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ({"head": 1.0}, "prior_precision must have keys that fit parameters to be "
         "trained, got 'head'."),
        ({"0.*": -1.0}, "prior_precision['0.*'] must be a finite number in [0, inf), "
         "got -1.0."),
    ],
)  # fmt: skip
def test_a_wrong_prior_by_name_is_an_error(prior, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        VOGN(network(), num_data=10, prior_precision=prior)


def test_decoupled_weight_decay_shrinks_before_the_step():
    results = []
    for decay in (0.0, 0.25):
        torch.manual_seed(1)
        model = network()
        optimizer = VOGN(
            model, num_data=10, lr=0.2, weight_decay=decay, **DETERMINISTIC
        )
        before = weights(model)
        block(optimizer, *batch())
        optimizer.step()
        results.append(weights(model))
    for name, plain in results[0].items():
        expected = plain - 0.2 * 0.25 * before[name]
        torch.testing.assert_close(results[1][name], expected, rtol=1e-12, atol=1e-14)


# --- temperature ------------------------------------------------------------------


def test_the_temperature_rises_in_a_line_and_stays():
    model = network()
    optimizer = VOGN(
        model, num_data=10, lr=1e-9, temperature=2.0, initial_temperature=0.5,
        temperature_warmup=3, initial_curvature=1.0, curvature_decay=0.5,
        prior_precision=4.0, damping=0.0,
    )  # fmt: skip
    for temperature in (0.5, 1.0, 1.5, 2.0, 2.0):
        curvature = optimizer.state[model[0].bias].get("curvature", torch.ones(4))
        got = optimizer.posterior_precision()["0.bias"]
        torch.testing.assert_close(got, 10 * curvature / temperature + 4.0)
        assert optimizer.posterior().metadata["temperature"] == temperature
        block(optimizer, *batch())
        optimizer.step()


def test_the_warm_up_also_holds_for_the_priors_share_in_the_step():
    model = network()
    optimizer = VOGN(
        model, num_data=10, lr=0.1, temperature=1.0, initial_temperature=0.2,
        temperature_warmup=100, initial_curvature=1.0, prior_precision=4.0,
        damping=0.0,
    )  # fmt: skip
    before = weights(model)
    block(optimizer, *batch())
    gradients, squares = gathered(optimizer)
    optimizer.step()
    share = 0.2 * 4 / 10
    for name, after in weights(model).items():
        s = 0.999 + 0.001 * squares[name]
        step = (gradients[name] + share * before[name]) / (s + share)
        torch.testing.assert_close(after, before[name] - 0.1 * step)


@pytest.mark.parametrize("value", [-1, 1.5, None])
def test_a_wrong_warm_up_is_an_error(value):
    message = f"temperature_warmup must be a whole number >= 0, got {value!r}."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        VOGN(network(), num_data=10, temperature_warmup=value)


# --- posterior off ----------------------------------------------------------------


def test_without_a_posterior_it_is_a_diagonal_gauss_newton_step_at_the_mean():
    model, (x, y) = network(), batch()
    optimizer = VOGN(
        model, num_data=10, lr=0.1, sampled=False, initial_curvature=0.3,
        curvature_decay=0.5, prior_precision=2.0, damping=0.0,
    )  # fmt: skip
    before, (gradients, squares) = weights(model), loop(model, x, y)
    block(optimizer, x, y)
    optimizer.step()
    for name, after in weights(model).items():
        s = 0.15 + 0.5 * squares[name]
        step = (gradients[name] + 0.2 * before[name]) / (s + 0.2)
        torch.testing.assert_close(after, before[name] - 0.1 * step)


def test_without_a_posterior_nothing_is_drawn():
    model = network()
    optimizer = VOGN(model, num_data=10, sampled=False)
    before = weights(model)
    with optimizer.sampled_params():
        assert all(torch.equal(v, before[k]) for k, v in weights(model).items())
    assert optimizer.posterior_precision() == {}
    assert optimizer.mean_deviation() == 0
    assert optimizer.posterior().precision == {}


def test_a_group_alone_can_be_without_a_posterior():
    model = network()
    optimizer = VOGN(
        model, num_data=10,
        params=[
            {"params": model[0].parameters(), "sampled": False},
            {"params": model[2].parameters()},
        ],
    )  # fmt: skip
    assert set(optimizer.posterior_precision()) == {"2.weight", "2.bias"}

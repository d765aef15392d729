"""IVON: the update and the posterior against their equations."""

import math

import pytest
import torch
from torch import nn

from tests.vogn_app.optim.networks import batch, block, normed, weights
from tests.vogn_app.optim.variational import OneWeight, ScalarIVON, drawn_step
from vogn_app import IVON
from vogn_app.optim.ivon import LEAST, ivon_update

BOTH = pytest.mark.usefixtures("kernels_and_none")

# --- the update -------------------------------------------------------------------

SETTINGS = {
    "plain": {},
    "no momentum": {"momentum": 0.0},
    "damping": {"gamma": 0.3},
    "no prior": {"prior": 0.0},
    "cold": {"tau": 0.1},
    "warm, damped": {"tau": 3.0, "gamma": 0.2},
    "no memory": {"decay": 0.0},
    "clipped": {"radius": 0.05},
    "not corrected": {"debias": False},
    "not rescaled": {"rescale": False},
}


@BOTH
@pytest.mark.parametrize("num", [1, 3])
@pytest.mark.parametrize("case", SETTINGS)
def test_three_steps_follow_the_equations(case, num):
    chosen = {
        "num_data": 40, "lr": 0.05, "momentum": 0.8, "decay": 0.7, "initial": 0.5,
        "prior": 6.0, "tau": 1.0, "gamma": 0.0, **SETTINGS[case],
    }  # fmt: skip
    model, by_hand = OneWeight(), ScalarIVON(0.7, **chosen)
    optimizer = IVON(
        model, num_data=40, lr=chosen["lr"], momentum=chosen["momentum"],
        curvature_decay=chosen["decay"], initial_curvature=chosen["initial"],
        prior_precision=chosen["prior"], temperature=chosen["tau"],
        damping=chosen["gamma"], clip_radius=chosen.get("radius"),
        debias=chosen.get("debias", True), rescale_lr=chosen.get("rescale", True),
    )  # fmt: skip
    weight = model.linear.weight
    for _ in range(3):
        assert optimizer.posterior_precision()["linear.weight"].item() == pytest.approx(
            by_hand.precision(), rel=1e-11
        )
        by_hand.step(drawn_step(optimizer, model, torch.rand(5, 1) + 0.5, num))
        assert weight.item() == pytest.approx(by_hand.mu, rel=1e-11)
        state = optimizer.state[weight]
        assert state["curvature"].item() == pytest.approx(by_hand.s, rel=1e-11)
        assert state["momentum_buffer"].item() == pytest.approx(by_hand.m, rel=1e-11)
        assert state["step"] == by_hand.t


@BOTH
def test_the_first_step_without_a_prior_is_that_of_sgd():
    model, (x, y) = nn.Linear(3, 2), batch()
    optimizer = IVON(
        model, num_data=20, lr=0.3, prior_precision=0.0, curvature_decay=1 - 1e-12
    )
    before = weights(model)
    block(optimizer, x, y)
    gradient = model.weight.grad.clone()
    optimizer.step()
    torch.testing.assert_close(
        model.weight.detach(), before["weight"] - 0.3 * gradient, rtol=1e-8, atol=0
    )


@BOTH
def test_the_update_leaves_gradients_and_products_alone():
    group = IVON(OneWeight(), num_data=5).param_groups[0]
    given = [torch.rand(3) for _ in range(5)]
    before = [x.clone() for x in given]
    ivon_update(*([x] for x in given), [1], group)
    for number, value in enumerate(given):
        assert torch.equal(value, before[number]) == (number in {1, 2})


# --- the precision ----------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("prior", [0.0, 5.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_estimate_makes_the_precision_negative(prior, dtype):
    """The worst f = s - c / (1 - decay) halves c, at most, down to its least."""
    model = nn.Linear(2, 1, bias=False).to(dtype)
    optimizer = IVON(
        model, num_data=10, curvature_decay=0.5, prior_precision=prior,
        initial_curvature=0.1, damping=0.0,
    )  # fmt: skip
    (group,) = optimizer.param_groups
    state, floor = optimizer._state(model.weight, group), prior / 10
    before = 0.1 + floor
    for step in range(1, 60):
        c = state["curvature"] + floor
        worst = (state["curvature"] - 2 * c) / (10 * c)
        ivon_update(
            [model.weight.detach()], [torch.zeros(1, 2, dtype=dtype)], [worst],
            [state["momentum_buffer"]], [state["curvature"]], [step], group,
        )  # fmt: skip
        precision = optimizer.posterior_precision()["weight"] / 10
        expected = max(before / 2, LEAST * floor)
        rounding = 8 * torch.finfo(dtype).eps * max(1, floor / expected)
        assert precision[0, 0].item() == pytest.approx(expected, rel=rounding)
        before = precision[0, 0].item()


def test_a_floor_that_sinks_takes_the_curvature_with_it():
    model = OneWeight()
    optimizer = IVON(
        model, num_data=10, temperature=0.01, initial_temperature=1.0,
        temperature_warmup=1, prior_precision=50.0, initial_curvature=0.1, damping=0.0,
    )  # fmt: skip
    (group,) = optimizer.param_groups
    optimizer._state(model.linear.weight, group)["curvature"].fill_(-4.9)
    assert optimizer.posterior_precision()["linear.weight"].item() == pytest.approx(1.0)
    optimizer.num_steps = 1  # now tau delta / N is 0.05 instead of 5
    expected = 10 / 0.01 * LEAST / 2 * 0.05
    assert optimizer.posterior_precision()["linear.weight"].item() == pytest.approx(
        expected
    )
    with optimizer.sampled_params():
        assert math.isfinite(model.linear.weight.item())


def test_weights_without_noise_take_steps_of_sgd_with_momentum():
    model, (x, y) = normed(), batch()
    optimizer = IVON(model, num_data=20, lr=0.1, momentum=0.5)
    assert set(optimizer.posterior_precision()) == {
        "0.weight", "0.bias", "2.weight", "2.bias",
    }  # fmt: skip
    expected, average = weights(model)["1.weight"], 0.0
    start = 4000 / 20
    for step in (1, 2):
        block(optimizer, x, y)
        average = 0.5 * average + 0.5 * model[1].weight.grad
        optimizer.step()
        expected = expected - 0.1 * average / (1 - 0.5**step)
        torch.testing.assert_close(model[1].weight.detach(), expected)
    assert torch.equal(
        optimizer.state[model[1].weight]["curvature"], torch.full((4,), start)
    )


# --- settings ---------------------------------------------------------------------


def test_automatic_settings_follow_the_number_of_examples():
    (group,) = IVON(OneWeight(), num_data=100, augmentation_factor=2.0).param_groups
    assert group["initial_curvature"] == IVON._rules["initial_curvature"](200)
    assert group["prior_precision"] == pytest.approx(200 / 1200)
    assert group["damping"] == IVON._rules["damping"](200)
    assert group["clip_radius"] is None


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("clip_radius", 0.0, r"clip_radius must be a finite number in \(0, inf\)"),
        ("debias", 1, "debias must be True or False, got 1."),
        ("rescale_lr", "no", "rescale_lr must be True or False, got 'no'."),
        ("initial_curvature", "estimate", "initial_curvature must be a finite number"),
    ],
)
def test_a_wrong_argument_is_an_error_that_names_it(name, value, text):
    with pytest.raises(ValueError, match=f"^{text}"):
        IVON(OneWeight(), **{"num_data": 10, name: value})

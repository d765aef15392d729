"""Vadam: the update and the posterior against their equations."""

import math

import pytest
import torch
from torch import nn

from tests.vogn_app.optim.networks import batch, block, network, normed
from tests.vogn_app.optim.variational import OneWeight, ScalarVadam, drawn_step
from vogn_app import Vadam
from vogn_app.optim.vadam import vadam_update

BOTH = pytest.mark.usefixtures("kernels_and_none")

SETTINGS = {
    "plain": {},
    "no momentum": {"momentum": 0.0},
    "no damping": {"gamma": 0.0},
    "no prior": {"prior": 0.0},
    "cold": {"tau": 0.1},
    "warm": {"tau": 3.0},
    "no memory": {"decay": 0.0},
}


@BOTH
@pytest.mark.parametrize("num", [1, 3])
@pytest.mark.parametrize("case", SETTINGS)
def test_three_steps_follow_the_equations(case, num):
    chosen = {
        "num_data": 40, "lr": 0.05, "momentum": 0.8, "decay": 0.7, "initial": 0.5,
        "prior": 6.0, "tau": 1.0, "gamma": 0.3, **SETTINGS[case],
    }  # fmt: skip
    model, by_hand = OneWeight(), ScalarVadam(0.7, **chosen)
    optimizer = Vadam(
        model, num_data=40, lr=chosen["lr"], momentum=chosen["momentum"],
        curvature_decay=chosen["decay"], initial_curvature=chosen["initial"],
        prior_precision=chosen["prior"], temperature=chosen["tau"],
        damping=chosen["gamma"],
    )  # fmt: skip
    weight = model.linear.weight
    for _ in range(3):
        assert optimizer.posterior_precision()["linear.weight"].item() == pytest.approx(
            by_hand.precision(), rel=1e-11
        )
        by_hand.step(drawn_step(optimizer, model, torch.rand(5, 1) + 0.5, num))
        assert weight.item() == pytest.approx(by_hand.mu, rel=1e-11)
        state = optimizer.state[weight]
        assert state["curvature"].item() == pytest.approx(by_hand.v, rel=1e-11)
        assert state["momentum_buffer"].item() == pytest.approx(by_hand.m, rel=1e-11)
        assert state["step"] == by_hand.t


@BOTH
@pytest.mark.parametrize("make", [network, normed])
def test_without_noise_and_prior_it_is_adam(make):
    """Noise of 1e-15 is far below what Adam's steps would tell."""
    ours, theirs = make(), make()
    theirs.load_state_dict(ours.state_dict())
    optimizer = Vadam(ours, num_data=20, lr=0.01, prior_precision=0.0, damping=1e30)
    adam = torch.optim.Adam(theirs.parameters(), lr=0.01)
    for _ in range(3):
        x, y = batch()
        block(optimizer, x, y)
        optimizer.step()
        adam.zero_grad()
        nn.functional.cross_entropy(theirs(x), y).backward()
        adam.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)


@BOTH
def test_the_update_leaves_gradients_alone():
    group = Vadam(OneWeight(), num_data=5).param_groups[0]
    given = [torch.rand(3) for _ in range(4)]
    before = [x.clone() for x in given]
    vadam_update(*([x] for x in given), [1], group)
    for number, value in enumerate(given):
        assert torch.equal(value, before[number]) == (number == 1)


def test_a_weight_that_no_gradient_reaches_does_not_move():
    model = nn.BatchNorm1d(3)
    optimizer = Vadam(model, num_data=5)
    with optimizer.sampled_params(train=True):
        (0 * model(torch.randn(4, 3))).mean().backward()
    optimizer.step()
    assert torch.equal(model.weight.detach(), torch.ones(3))


def test_automatic_settings_follow_the_number_of_examples():
    (group,) = Vadam(OneWeight(), num_data=200).param_groups
    assert group["initial_curvature"] == Vadam._rules["initial_curvature"](200)
    assert group["damping"] == Vadam._rules["damping"](200)
    bound = 1 / math.sqrt(200 * group["damping"])
    assert Vadam(OneWeight(), num_data=200).mean_deviation().item() < bound


def test_a_curvature_cannot_be_estimated():
    with pytest.raises(ValueError, match=r"^initial_curvature must be a finite number"):
        Vadam(OneWeight(), num_data=10, initial_curvature="estimate")

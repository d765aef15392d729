"""VOGN: the update and the posterior against their equations."""

import math

import pytest
import torch
from torch import nn

from tests.helpers.closed_form import ScalarVOGN
from tests.vogn_app.optim.networks import network
from vogn_app import VOGN
from vogn_app.optim.vogn import vogn_update

BOTH = pytest.mark.usefixtures("kernels_and_none")

# --- the update -------------------------------------------------------------------


class OneWeight(nn.Module):
    """Gives w * x, so that the gradient of its mean is the mean of x."""

    def __init__(self, value=0.7):
        super().__init__()
        self.linear = nn.Linear(1, 1, bias=False)
        nn.init.constant_(self.linear.weight, value)

    def forward(self, x):
        return self.linear(x)


SETTINGS = {
    "plain": {},
    "no momentum": {"momentum": 0.0},
    "damping": {"damping": 0.3},
    "no prior": {"prior": 0.0},
    "cold": {"tau": 0.1},
    "warm, damped": {"tau": 3.0, "gamma": 0.2},
    "no memory": {"decay": 0.0, "momentum": 0.0},
}


@BOTH
@pytest.mark.parametrize("case", SETTINGS)
def test_three_steps_follow_the_equations(case):
    chosen = {
        "num_data": 40, "lr": 0.05, "momentum": 0.8, "decay": 0.7, "initial": 0.5,
        "prior": 6.0, "tau": 1.0, "gamma": 0.0, **SETTINGS[case],
    }  # fmt: skip
    if "damping" in chosen:
        chosen["gamma"] = chosen.pop("damping")
    model, by_hand = OneWeight(), ScalarVOGN(0.7, **chosen)
    optimizer = VOGN(
        model, num_data=40, lr=chosen["lr"], momentum=chosen["momentum"],
        curvature_decay=chosen["decay"], initial_curvature=chosen["initial"],
        prior_precision=chosen["prior"], temperature=chosen["tau"],
        damping=chosen["gamma"],
    )  # fmt: skip
    for _ in range(3):
        x = torch.randn(5, 1)
        assert optimizer.posterior_precision()["linear.weight"].item() == pytest.approx(
            by_hand.precision(), rel=1e-12
        )
        with optimizer.sampled_params(train=True):
            model(x).mean().backward()  # its gradients do not depend on the weight
        optimizer.step()
        by_hand.step(x.mean().item(), x.square().mean().item())
        assert model.linear.weight.item() == pytest.approx(by_hand.mu, rel=1e-12)
        state = optimizer.state[model.linear.weight]
        assert state["curvature"].item() == pytest.approx(by_hand.s, rel=1e-12)
        assert state["momentum_buffer"].item() == pytest.approx(by_hand.m, rel=1e-12)
        assert state["step"] == by_hand.t


@BOTH
def test_the_first_step_is_lr_times_gradient_over_curvature():
    model = OneWeight(2.0)
    optimizer = VOGN(
        model, num_data=10, lr=0.5, initial_curvature=3.0, curvature_decay=0.75,
        prior_precision=20.0, damping=0.0,
    )  # fmt: skip
    with optimizer.sampled_params(train=True):
        model(torch.tensor([[1.0], [5.0]])).mean().backward()
    optimizer.step()
    curvature = 0.75 * 3 + 0.25 * (1 + 25) / 2  # 5.5
    expected = 2 - 0.5 * (3 + 2 * 2) / (curvature + 2)  # prior share 20 / 10 = 2
    assert model.linear.weight.item() == pytest.approx(expected, rel=1e-14)


@BOTH
def test_the_papers_sum_form_takes_lr_times_one_minus_momentum():
    model = OneWeight()
    optimizer = VOGN(
        model,
        num_data=40,
        lr=0.1,
        momentum=0.9,
        curvature_decay=0.7,
        damping=0.1,
        initial_curvature=0.1,
        prior_precision=50.0,
    )
    mu, total, s, prior = 0.7, 0.0, 0.1, 50 / 40
    for step in range(1, 4):
        x = torch.randn(5, 1)
        with optimizer.sampled_params(train=True):
            model(x).mean().backward()
        optimizer.step()
        total = 0.9 * total + x.mean().item() + prior * mu
        s = 0.7 * s + 0.3 * x.square().mean().item()
        mu -= 0.01 / (1 - 0.9**step) * total / (s + 0.1 + prior)
        assert model.linear.weight.item() == pytest.approx(mu, rel=1e-12)


@BOTH
def test_the_update_leaves_gradients_and_squares_alone():
    group = VOGN(OneWeight(), num_data=5).param_groups[0]
    given = [torch.randn(3) for _ in range(5)]
    before = [x.clone() for x in given]
    vogn_update(*([x] for x in given), [1], group, 0.9)
    assert torch.equal(given[1], before[1])
    assert torch.equal(given[2], before[2])
    assert not torch.equal(given[0], before[0])


# --- the posterior ----------------------------------------------------------------


@pytest.mark.parametrize("tau", [0.1, 1.0, 3.0])
def test_precision_at_the_fixed_point_is_the_exact_tempered_one(tau):
    model = OneWeight()
    optimizer = VOGN(
        model, num_data=100, temperature=tau, prior_precision=5.0, curvature_decay=0.5,
        augmentation_factor=2.0, damping=0.0,
    )  # fmt: skip
    x = torch.tensor([[1.0], [-2.0]])  # h = 2.5 whatever the weight
    for _ in range(60):  # 0.5^60 is below rounding
        with optimizer.sampled_params(train=True):
            model(x).mean().backward()
        optimizer.step()
    assert optimizer.state[model.linear.weight]["curvature"].item() == pytest.approx(
        2.5
    )
    precision = optimizer.posterior_precision()["linear.weight"].item()
    assert precision == pytest.approx(200 * 2.5 / tau + 5, rel=1e-12)
    deviation = optimizer.mean_deviation().item()
    assert deviation == pytest.approx(precision**-0.5, rel=1e-12)


def test_damping_counts_as_curvature_in_the_precision():
    optimizer = VOGN(
        OneWeight(),
        num_data=100,
        temperature=2.0,
        prior_precision=5.0,
        damping=0.3,
        initial_curvature=0.1,
    )
    precision = optimizer.posterior_precision()["linear.weight"].item()
    assert precision == pytest.approx((100 * (0.1 + 0.3) + 2 * 5) / 2, rel=1e-14)


NUM_DRAWS = 4000


def draws(optimizer, num=NUM_DRAWS):
    samples = []
    for _ in range(num):
        with optimizer.sampled_params():
            samples.append(
                torch.cat([p.detach().flatten() for p in optimizer.model.parameters()])
            )
    return torch.stack(samples)


@BOTH
def test_draws_have_the_mean_and_the_precision_of_the_posterior():
    """With n whitened draws every mean is N(0, 1 / n), every sum of squares chi-square.

    The latter has n degrees of freedom, so a deviation of sqrt(2 / n) of its mean. Of
    2 * 20 statistics one passes 5.5 deviations by chance once in 600,000 runs; so does
    one of the 190 correlations, each of deviation sqrt(1 / n), with 6 deviations.
    """
    model = nn.Sequential(
        nn.Linear(3, 4), nn.Linear(4, 1, bias=False), nn.GroupNorm(1, 1)
    )
    model[2].requires_grad_(False)
    optimizer = VOGN(model, num_data=30, temperature=0.5)
    with torch.no_grad():
        for group in optimizer.param_groups:
            for p in group["params"]:
                optimizer._state(p, group)["curvature"].uniform_(0.05, 2)
    mean = torch.cat([p.detach().flatten() for p in model.parameters()])
    precision = optimizer.posterior_precision()
    assert set(precision) == {"0.weight", "0.bias", "1.weight"}
    scale = torch.cat([v.flatten() for v in precision.values()]).sqrt()
    samples = draws(optimizer)
    assert torch.equal(samples[0, 20:], mean[20:])  # frozen weights do not move
    z = (samples - mean)[:, :20] * scale
    assert z.mean(0).abs().max() < 5.5 / math.sqrt(NUM_DRAWS)
    assert (z.square().mean(0) - 1).abs().max() < 5.5 * math.sqrt(2 / NUM_DRAWS)
    correlations = (z.T @ z / NUM_DRAWS).fill_diagonal_(0)
    assert correlations.abs().max() < 6 / math.sqrt(NUM_DRAWS)


@BOTH
def test_the_callers_generator_is_left_alone_and_seeds_reproduce():
    model = network()
    state = torch.get_rng_state()
    first = draws(VOGN(model, num_data=30, seed=5), 3)
    again = draws(VOGN(model, num_data=30, seed=5), 3)
    other = draws(VOGN(model, num_data=30, seed=6), 3)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(first, again)
    assert not (first == other).any()
    assert not (first[0] == first[1]).any()


def test_a_model_without_sampled_parameters_has_no_deviation():
    model = nn.BatchNorm1d(3)
    assert VOGN(model, num_data=20).mean_deviation().item() == 0

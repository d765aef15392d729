"""VOGN: the update, the posterior, groups, arguments, and life as a torch optimizer."""

import copy
import math
import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.helpers.closed_form import ScalarVOGN
from tests.vogn_app.optim.networks import (
    batch,
    block,
    gathered,
    network,
    normed,
    weights,
)
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


# --- BatchNorm --------------------------------------------------------------------


def test_batch_norm_is_trained_without_noise_and_prior():
    model, (x, y) = normed(), batch()
    optimizer = VOGN(
        model, num_data=20, lr=0.1, initial_curvature=0.1, curvature_decay=0.9999,
        prior_precision=7.0, damping=0.0,
    )  # fmt: skip
    assert set(optimizer.posterior_precision()) == {
        "0.weight", "0.bias", "2.weight", "2.bias",
    }  # fmt: skip
    norms = optimizer.param_groups[1]
    assert [id(p) for p in norms["params"]] == [id(p) for p in model[1].parameters()]
    assert (norms["sampled"], norms["prior_precision"]) == (False, 0)
    before = weights(model)
    with optimizer.sampled_params():
        assert torch.equal(model[1].weight, before["1.weight"])
        assert not torch.equal(model[0].weight, before["0.weight"])
    block(optimizer, x, y)
    gradient, square = (each["1.weight"] for each in gathered(optimizer))
    optimizer.step()
    curvature = 0.9999 * 0.1 + 0.0001 * square
    torch.testing.assert_close(
        model[1].weight.detach(), before["1.weight"] - 0.1 * gradient / curvature
    )


def test_batch_norm_can_be_sampled_like_all_others():
    model = normed()
    optimizer = VOGN(model, num_data=20, batch_norm="sampled")
    assert set(optimizer.posterior_precision()) == set(dict(model.named_parameters()))
    before = weights(model)
    with optimizer.sampled_params():
        assert not torch.equal(model[1].weight, before["1.weight"])


def test_batch_norm_statistics_are_updated_once_a_block():
    model, (x, y) = normed(), batch()
    optimizer = VOGN(model, num_data=20)
    for _ in range(2):
        block(optimizer, x, y)
    assert int(model[1].num_batches_tracked) == 2


# --- parameter groups -------------------------------------------------------------


def test_groups_have_settings_of_their_own():
    model, (x, y) = network(), batch()
    optimizer = VOGN(
        model, num_data=20, lr=0.1, prior_precision=5.0, initial_curvature=0.1,
        curvature_decay=0.9999, damping=0.0,
        params=[
            {"params": model[0].parameters(), "lr": 0.2, "initial_curvature": 0.4},
            {"params": model[2].parameters(), "prior_precision": 9.0, "num_data": 40},
        ],
    )  # fmt: skip
    precision = optimizer.posterior_precision()
    assert precision["0.bias"].tolist() == pytest.approx([20 * 0.4 + 5] * 4)
    assert precision["2.bias"].tolist() == pytest.approx([40 * 0.1 + 9] * 2)
    before = weights(model)
    block(optimizer, x, y)
    gradients, squares = gathered(optimizer)
    optimizer.step()
    s = 0.9999 * 0.4 + 0.0001 * squares["0.bias"]
    step = 0.2 * (gradients["0.bias"] + 5 / 20 * before["0.bias"]) / (s + 5 / 20)
    torch.testing.assert_close(model[0].bias.detach(), before["0.bias"] - step)


def test_a_group_can_be_added_later_and_is_then_trained():
    model, (x, y) = normed(), batch()
    optimizer = VOGN(model, num_data=20, lr=0.1, params=model[0].parameters())
    block(optimizer, x, y)
    optimizer.step()
    assert set(gathered(optimizer)[0]) == {k for k, _ in model.named_parameters()}
    assert set(optimizer.capture.coverage()) == {"0.weight", "0.bias"}
    rest = [*model[1].parameters(), *model[2].parameters()]
    optimizer.add_param_group({"params": rest, "lr": 0.3})
    assert [g["lr"] for g in optimizer.param_groups] == [0.1, 0.3, 0.3]
    before = weights(model)
    block(optimizer, x, y)
    optimizer.step()
    for name, value in dict(model.named_parameters()).items():
        assert not torch.equal(value, before[name]), name


def test_named_parameters_and_a_single_one_do_as_groups():
    model = network()
    optimizer = VOGN(model, num_data=20, params=model[0].named_parameters())
    optimizer.add_param_group({"params": model[2].weight})
    assert [len(g["params"]) for g in optimizer.param_groups] == [2, 1]


def test_an_empty_group_beside_others_does_no_harm():
    model = network()
    groups = [{"params": []}, {"params": model.parameters()}]
    optimizer = VOGN(model, num_data=20, params=groups)
    assert [len(g["params"]) for g in optimizer.param_groups] == [4]


def test_frozen_parameters_are_left_out():
    model, (x, y) = network(), batch()
    model[0].requires_grad_(False)
    optimizer = VOGN(model, num_data=20)
    before = weights(model)
    with optimizer.sampled_params():
        assert torch.equal(model[0].weight, before["0.weight"])
    block(optimizer, x, y)
    optimizer.step()
    assert torch.equal(model[0].weight, before["0.weight"])
    assert not torch.equal(model[2].weight, before["2.weight"])


def test_a_model_without_trainable_parameters_is_an_error():
    with pytest.raises(ValueError, match="empty parameter list"):
        VOGN(network().requires_grad_(False), num_data=3)


def test_parameters_of_another_model_are_an_error():
    with pytest.raises(ValueError, match="got one that is not") as caught:
        VOGN(network(), num_data=3, params=nn.Linear(5, 2).parameters())
    assert str(caught.value) == (
        "params must be parameters of the model, got one that is not, of shape (2, 5)."
    )


def test_a_parameter_twice_is_an_error():
    model = network()
    with pytest.raises(ValueError, match="more than one parameter group"):
        VOGN(model, num_data=3).add_param_group({"params": model[0].parameters()})


# --- arguments --------------------------------------------------------------------

WRONG = [
    ("num_data", 0, "num_data must be a whole number >= 1, got 0."),
    ("num_data", 10.0, "num_data must be a whole number >= 1, got 10.0."),
    ("num_data", True, "num_data must be a whole number >= 1, got True."),
    ("num_samples", 0, "num_samples must be a whole number >= 1, got 0."),
    ("lr", 0, "lr must be a finite number in (0, inf), got 0."),
    ("lr", -0.1, "lr must be a finite number in (0, inf), got -0.1."),
    ("lr", math.nan, "lr must be a finite number in (0, inf), got nan."),
    ("momentum", 1.0, "momentum must be a finite number in [0, 1), got 1.0."),
    ("momentum", -0.1, "momentum must be a finite number in [0, 1), got -0.1."),
    ("curvature_decay", 1, "curvature_decay must be a finite number in [0, 1), got 1."),
    (
        "initial_curvature",
        0.0,
        "initial_curvature must be a finite number in (0, inf), got 0.0.",
    ),
    (
        "prior_precision",
        -1.0,
        "prior_precision must be a finite number in [0, inf), got -1.0.",
    ),
    ("temperature", 0.0, "temperature must be a finite number in (0, inf), got 0.0."),
    ("damping", math.inf, "damping must be a finite number in [0, inf), got inf."),
    (
        "augmentation_factor",
        "2",
        "augmentation_factor must be a finite number in (0, inf), got '2'.",
    ),
    ("loss_reduction", "none", "loss_reduction must be one of mean, sum, got 'none'."),
    (
        "batch_norm",
        "frozen",
        "batch_norm must be one of deterministic, sampled, got 'frozen'.",
    ),
    (
        "curvature",
        "hessian",
        "curvature must be one of empirical, fisher, got 'hessian'.",
    ),
    (
        "likelihood",
        "poisson",
        "likelihood must be one of categorical, bernoulli, gaussian, or an object with "
        "the methods draw and loss, got 'poisson'.",
    ),
    ("seed", -1, "seed must be a whole number in [0, 2^63), got -1."),
]


@pytest.mark.parametrize(("name", "value", "text"), WRONG)
def test_a_wrong_argument_is_an_error_that_names_it(name, value, text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        VOGN(network(), **{"num_data": 10, name: value})


def test_num_data_must_be_given():
    with pytest.raises(TypeError, match="num_data"):
        VOGN(network())


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [w for w in WRONG if w[0] in VOGN(network(), num_data=10).defaults],
)
def test_a_wrong_setting_of_a_group_is_the_same_error(name, value, text):
    model = network()
    group = {"params": model.parameters(), name: value}
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        VOGN(model, num_data=10, params=[group])


def test_a_precision_that_could_vanish_is_an_error():
    nothing = {"curvature_decay": 0.0, "damping": 0.0}
    with pytest.raises(
        ValueError, match=r"^damping must be > 0 when curvature_decay and"
    ):
        VOGN(network(), num_data=10, prior_precision=0.0, **nothing)
    VOGN(network(), num_data=10, prior_precision=1.0, **nothing)
    with pytest.raises(
        ValueError, match=r"^damping must be > 0 when curvature_decay and"
    ):
        VOGN(normed(), num_data=10, prior_precision=1.0, **nothing)  # norms: no prior


# --- life as a torch optimizer ----------------------------------------------------


def test_a_scheduler_sets_the_learning_rate():
    model, (x, y) = network(), batch()
    optimizer = VOGN(model, num_data=20, lr=0.4)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 0.5**t)
    for step in range(3):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0.4 * 0.5**step)
        block(optimizer, x, y)
        optimizer.step()
        scheduler.step()


def test_a_state_of_another_num_data_is_rejected():
    model = network()
    state = VOGN(model, num_data=20).state_dict()
    with pytest.raises(
        ValueError, match="num_data must be 30 in the state to load, got 20"
    ):
        VOGN(model, num_data=30).load_state_dict(state)


def test_a_state_of_another_optimizer_is_rejected():
    model = network()
    state = torch.optim.SGD(model.parameters(), lr=0.1).state_dict()
    with pytest.raises(
        ValueError, match="state_dict must be of a VOGN, got none of noise, num_steps"
    ):
        VOGN(model, num_data=30).load_state_dict(state)


def test_a_state_of_other_shapes_is_rejected_and_changes_nothing():
    wide = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    donor = VOGN(wide, num_data=20)
    block(donor, *batch())
    donor.step()
    optimizer = VOGN(network(), num_data=20)
    with pytest.raises(
        ValueError,
        match=r"^momentum_buffer must have shape \(4, 3\) in the state to load, "
        r"got \(5, 3\)\.$",
    ):
        optimizer.load_state_dict(donor.state_dict())
    assert not optimizer.state


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_in_lower_precision_trains(dtype):
    model = network().to(dtype)
    optimizer = VOGN(model, num_data=20)
    before = weights(model)
    for _ in range(2):
        x, y = batch()
        for _ in range(2):
            block(optimizer, x.to(dtype), y)
        optimizer.step()
    for name, value in weights(model).items():
        assert value.dtype == dtype
        assert value.isfinite().all()
        assert not torch.equal(value, before[name])


def test_training_under_autocast_is_close_to_full_precision():
    torch.set_default_dtype(torch.float32)
    results = []
    x, y = batch(16)
    start = network()
    for enabled in (False, True):
        model = copy.deepcopy(start)
        optimizer = VOGN(model, num_data=1000, lr=0.01)
        for _ in range(3):
            with optimizer.sampled_params(train=True):
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
                    loss = F.cross_entropy(model(x), y)
                loss.backward()
            optimizer.step()
        assert model[0].weight.dtype == torch.float32
        results.append(model[0].weight.detach() - start[0].weight)
    error = (results[1] - results[0]).norm() / results[0].norm()
    assert 0 < error < 0.05


def test_training_learns_what_the_noise_allows():
    model = network()
    optimizer = VOGN(
        model, num_data=200, prior_precision=1.0, lr=0.2, initial_curvature=0.3
    )
    x = torch.randn(200, 3)
    y = (x[:, 0] + x[:, 1] > 0).long()
    start = F.cross_entropy(model(x), y).item()
    for _ in range(150):
        optimizer.step(lambda: _backward(model, x, y))
    assert F.cross_entropy(model(x), y).item() < 0.5 * start


def _backward(model, x, y):
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    return loss


def test_a_model_without_sampled_parameters_has_no_deviation():
    model = nn.BatchNorm1d(3)
    assert VOGN(model, num_data=20).mean_deviation().item() == 0


def test_complex_parameters_are_refused():
    class Rotation(nn.Module):
        def __init__(self):
            super().__init__()
            self.phase = nn.Parameter(torch.ones(3, dtype=torch.complex64))

    with pytest.raises(
        ValueError, match=r"^params must be real, got phase of torch\.complex64\.$"
    ):
        VOGN(Rotation(), num_data=3)

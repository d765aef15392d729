"""Settings of VOGN beyond its equations: what each does, and what "auto" stands for."""

import math
import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F

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


@pytest.fixture(autouse=True)
def double_precision():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


# --- "auto" -----------------------------------------------------------------------


@pytest.mark.parametrize(("num_data", "factor"), [(1000, 1.0), (60_000, 2.0)])
def test_automatic_settings_follow_the_number_of_examples(num_data, factor):
    optimizer = VOGN(network(), num_data=num_data, augmentation_factor=factor)
    (group,), num = optimizer.param_groups, num_data * factor
    assert group["lr"] == pytest.approx(8000 / num)
    assert group["initial_curvature"] == pytest.approx(16_000 / num)
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
    assert [g["lr"] for g in optimizer.param_groups] == [20.0, 0.5]
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    block(optimizer, *batch())
    optimizer.step()
    scheduler.step()
    assert [g["lr"] for g in optimizer.param_groups] == [10.0, 0.25]


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


# --- the start of the curvature ---------------------------------------------------


@pytest.mark.parametrize("interval", [1, 2])
def test_an_estimated_start_is_the_plain_average_of_the_first_squares(interval):
    model = network()
    optimizer = VOGN(
        model, num_data=50, lr=1e-9, initial_curvature="estimate",
        curvature_decay=1 - 1e-9, curvature_interval=interval,
    )  # fmt: skip
    seen = []
    for step in range(6):
        block(optimizer, *batch())
        if step % interval == 0:
            seen.append(gathered(optimizer)[1]["2.weight"].clone())
        optimizer.step()
    curvature = optimizer.state[model[2].weight]["curvature"]
    torch.testing.assert_close(
        curvature, torch.stack(seen).mean(0), rtol=1e-6, atol=1e-12
    )


def test_an_estimated_start_is_a_bias_corrected_average():
    model, decay = network(), 0.7
    optimizer = VOGN(
        model, num_data=50, lr=1e-9, initial_curvature="estimate",
        curvature_decay=decay,
    )  # fmt: skip
    average, curvature = 0.0, None
    for step in range(1, 5):
        block(optimizer, *batch())
        average = decay * average + (1 - decay) * gathered(optimizer)[1]["0.weight"]
        optimizer.step()
        curvature = optimizer.state[model[0].weight]["curvature"]
        torch.testing.assert_close(curvature, average / (1 - decay**step))


def test_before_anything_is_estimated_there_is_no_noise():
    model = network()
    optimizer = VOGN(model, num_data=50, initial_curvature="estimate")
    before = weights(model)
    with optimizer.sampled_params():
        assert all(torch.equal(v, before[k]) for k, v in weights(model).items())
    block(optimizer, *batch())
    optimizer.step()
    before = weights(model)
    with optimizer.sampled_params():
        assert not any(torch.equal(v, before[k]) for k, v in weights(model).items())


def test_an_estimated_start_needs_a_prior_or_damping():
    with pytest.raises(ValueError, match=r"^initial_curvature must be a number when"):
        VOGN(
            network(), num_data=5, initial_curvature="estimate", prior_precision=0.0,
            damping=0.0,
        )  # fmt: skip


# --- frozen layers ----------------------------------------------------------------


def test_a_layer_that_was_never_trained_has_no_noise_until_it_is():
    model, (x, y) = network(), batch()
    model[0].requires_grad_(False)
    optimizer = VOGN(model, num_data=10, params=model.parameters())
    frozen = model[0].weight.clone()
    with optimizer.sampled_params():
        assert torch.equal(model[0].weight, frozen)
    block(optimizer, x, y)
    optimizer.step()
    assert torch.equal(model[0].weight, frozen)
    model[0].requires_grad_(True)
    with optimizer.sampled_params():
        assert not torch.equal(model[0].weight, frozen)
    block(optimizer, x, y)
    optimizer.step()
    assert not torch.equal(model[0].weight, frozen)
    model[0].requires_grad_(False)  # it keeps the posterior that it was trained to
    mean = model[0].weight.clone()
    with optimizer.sampled_params():
        assert not torch.equal(model[0].weight, mean)


def test_a_layer_added_later_begins_by_itself():
    model, (x, y) = network(), batch()
    model[0].requires_grad_(False)
    optimizer = VOGN(model, num_data=10)
    block(optimizer, x, y)
    optimizer.step()
    model[0].requires_grad_(True)
    optimizer.add_param_group({"params": model[0].parameters()})
    block(optimizer, x, y)
    optimizer.step()
    steps = [optimizer.state[p]["step"] for p in model.parameters()]
    assert steps == [1, 1, 2, 2]


# --- losses -----------------------------------------------------------------------

LOSSES = {
    "regression": (nn.Linear(3, 2), lambda z: F.mse_loss(z, torch.ones_like(z))),
    "binary": (
        nn.Sequential(nn.Linear(3, 1), nn.Flatten(0)),
        lambda z: F.binary_cross_entropy_with_logits(z, torch.ones_like(z)),
    ),
    "multi-label": (
        nn.Linear(3, 4),
        lambda z: F.multilabel_soft_margin_loss(z, torch.eye(4)[: len(z)]),
    ),
    "segmentation": (
        nn.Sequential(nn.Unflatten(1, (1, 1, 3)), nn.Conv2d(1, 3, 1)),
        lambda z: F.cross_entropy(z, torch.ones(len(z), 1, 3, dtype=torch.long)),
    ),
    "sequence": (
        nn.Sequential(nn.Unflatten(1, (3, 1)), nn.Linear(1, 5)),
        lambda z: F.cross_entropy(
            z.transpose(1, 2), torch.tensor([[1, 2, 3]]).expand(len(z), 3)
        ),
    ),
}


@pytest.mark.parametrize("kind", LOSSES)
def test_any_loss_that_is_a_mean_over_examples_gives_exact_squares(kind):
    made, loss = LOSSES[kind]
    model, x = made.double(), torch.randn(4, 3)
    optimizer = VOGN(model, num_data=10, sampled=False)
    with optimizer.sampled_params(train=True):
        loss(model(x)).backward()
    gradients, squares = gathered(optimizer)
    rows = []
    for i in range(4):
        outputs = model(x)  # targets may depend on the place in the batch
        lone = [z.detach().clone() for z in outputs]
        lone[i] = outputs[i]
        rows.append(torch.autograd.grad(loss(torch.stack(lone)), model.parameters()))
    for index, name in enumerate(dict(model.named_parameters())):
        each = torch.stack([row[index] for row in rows]) * 4
        torch.testing.assert_close(gradients[name], each.mean(0))
        torch.testing.assert_close(squares[name], each.square().mean(0))


# --- groups, wrappers and types ---------------------------------------------------


def test_a_module_newer_than_the_optimizer_can_be_added():
    model, (x, y) = network(), batch()
    optimizer = VOGN(model, num_data=10)
    model.add_module("new", nn.Linear(2, 2))
    optimizer.add_param_group({"params": model.new.parameters()})
    block(optimizer, x, y)
    optimizer.step()
    assert {"new.weight", "new.bias"} <= set(optimizer.posterior_precision())


def test_a_prior_by_name_goes_with_groups_and_wrappers():
    model = network()
    optimizer = VOGN(
        torch.compile(model, backend="eager"),
        num_data=1200,
        prior_precision={"2.*": 5.0},
        params=[{"params": m.parameters()} for m in (model[0], model[2])],
    )
    priors = optimizer.posterior().prior_precision
    expected = {"0.weight": 1.0, "0.bias": 1.0, "2.weight": 5.0, "2.bias": 5.0}
    assert priors == expected


def test_a_parameter_that_is_held_already_changes_nothing():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    optimizer = VOGN(model, num_data=10, params=model[1].parameters())
    with pytest.raises(ValueError, match="more than one parameter group"):
        optimizer.add_param_group({"params": [model[0].weight, model[1].weight]})
    assert len(optimizer.param_groups) == 1


def test_the_curvature_of_half_precision_parameters_moves():
    curvatures = []
    for dtype in (torch.float32, torch.bfloat16):
        torch.manual_seed(0)
        model, (x, y) = network().to(dtype), batch()
        optimizer = VOGN(model, num_data=60_000)
        for _ in range(20):
            block(optimizer, x.to(dtype), y)
            optimizer.step()
        state = optimizer.state_dict()
        optimizer.load_state_dict(state)
        curvatures.append(optimizer.state[model[0].weight]["curvature"])
        assert curvatures[-1].dtype == torch.float32
        assert torch.equal(curvatures[-1], state["state"][0]["curvature"])
    start = 16_000 / 60_000
    torch.testing.assert_close(*curvatures, rtol=1e-3, atol=0)
    assert (curvatures[1] < 0.99 * start).all()


def test_a_state_whose_groups_hold_other_parameters_is_rejected():
    model = nn.Sequential(*[nn.Linear(4, 4) for _ in range(3)])
    first = VOGN(model, num_data=10, prior_precision={"0.*": 2.0, "2.*": 2.0})
    other = VOGN(model, num_data=10, prior_precision={"0.*": 2.0, "1.*": 2.0})
    with pytest.raises(ValueError, match="groups of the state to load must hold"):
        other.load_state_dict(first.state_dict())


def test_numbers_may_be_tensors():
    optimizer = VOGN(network(), num_data=10, lr=torch.tensor(0.5))
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_a_layer_to_be_estimated_waits_for_a_refresh():
    model, (x, y) = network(), batch()
    model[0].requires_grad_(False)
    optimizer = VOGN(
        model, num_data=10_000, lr=0.01, initial_curvature="estimate", damping=0.0,
        prior_precision=1.0, curvature_interval=4, params=model.parameters(),
    )  # fmt: skip
    moved = []
    for step in range(6):
        model[0].requires_grad_(step > 0)
        before = model[0].weight.clone()
        block(optimizer, x, y)
        optimizer.step()
        moved.append(not torch.equal(model[0].weight, before))
    assert moved == [False, False, False, False, True, True]

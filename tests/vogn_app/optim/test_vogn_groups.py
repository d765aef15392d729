"""VOGN's parameter groups: settings of their own, BatchNorm, late and frozen ones."""

import pytest
import torch
from torch import nn

from tests.vogn_app.optim.networks import (
    batch,
    block,
    gathered,
    network,
    normed,
    weights,
)
from vogn_app import VOGN

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


def test_a_module_newer_than_the_optimizer_can_be_added():
    model, (x, y) = network(), batch()
    optimizer = VOGN(model, num_data=10)
    model.add_module("new", nn.Linear(2, 2))
    optimizer.add_param_group({"params": model.new.parameters()})
    block(optimizer, x, y)
    optimizer.step()
    assert {"new.weight", "new.bias"} <= set(optimizer.posterior_precision())


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


# --- what is an error -------------------------------------------------------------


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


def test_a_parameter_that_is_held_already_changes_nothing():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    optimizer = VOGN(model, num_data=10, params=model[1].parameters())
    with pytest.raises(ValueError, match="more than one parameter group"):
        optimizer.add_param_group({"params": [model[0].weight, model[1].weight]})
    assert len(optimizer.param_groups) == 1


def test_a_state_whose_groups_hold_other_parameters_is_rejected():
    model = nn.Sequential(*[nn.Linear(4, 4) for _ in range(3)])
    first = VOGN(model, num_data=10, prior_precision={"0.*": 2.0, "2.*": 2.0})
    other = VOGN(model, num_data=10, prior_precision={"0.*": 2.0, "1.*": 2.0})
    with pytest.raises(ValueError, match="groups of the state to load must hold"):
        other.load_state_dict(first.state_dict())

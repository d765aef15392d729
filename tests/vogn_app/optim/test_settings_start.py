"""How curvatures of VOGN begin: estimated ones, and those of frozen and late layers."""

import pytest
import torch

from tests.vogn_app.optim.networks import batch, block, gathered, network, weights
from vogn_app import VOGN

# --- estimated --------------------------------------------------------------------


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


# --- frozen and late layers -------------------------------------------------------


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

"""What IVON and Vadam share: blocks, groups, states, loss scales, types, posteriors."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.networks import (
    assert_bitwise,
    batch,
    block,
    network,
    normed,
    weights,
)
from tests.vogn_app.optim.variational import averages, train
from vogn_app import IVON, Vadam, load_posterior

BOTH = pytest.mark.usefixtures("kernels_and_none")
CLASSES = pytest.mark.parametrize("cls", [IVON, Vadam])
# Next to no noise, so that draws do not tell blocks from each other.
QUIET = {"initial_curvature": 1e16}

# --- blocks -----------------------------------------------------------------------


@BOTH
@CLASSES
def test_an_exception_in_a_block_puts_the_mean_back_and_drops_the_block(cls):
    model, (x, y) = network(), batch()
    optimizer = cls(model, num_data=20)
    before = weights(model)

    def broken_block():
        with optimizer.sampled_params(train=True):
            F.cross_entropy(model(x), y).backward()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken_block()
    assert_bitwise(weights(model), before)
    assert all(p.grad is None for p in model.parameters())
    with pytest.raises(RuntimeError, match="step must follow a backward pass inside"):
        optimizer.step()


@BOTH
@CLASSES
def test_blocks_restore_bit_for_bit_and_leave_the_callers_generator_alone(cls):
    model = network()
    before, state = weights(model), torch.get_rng_state()
    optimizer = cls(model, num_data=20)
    with optimizer.sampled_params():
        assert not torch.equal(model[0].weight, before["0.weight"])
    block(optimizer, *batch_from(state))
    assert_bitwise(weights(model), before)


def batch_from(state):
    assert torch.equal(torch.get_rng_state(), state)
    return batch()


@BOTH
@CLASSES
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("sizes", [[6], [1, 5], [2, 3, 1]], ids=str)
def test_micro_batches_in_one_draw_are_the_whole_batch(cls, reduction, sizes):
    """In one block, as losses of parts add up there; so that all have one draw."""
    ends, (x, y) = [], batch()
    for parts in ([6], sizes):
        torch.manual_seed(1)
        model = network()
        optimizer = cls(model, num_data=20, loss_reduction=reduction)
        with optimizer.sampled_params(train=True):
            for part_x, part_y in zip(x.split(parts), y.split(parts), strict=True):
                loss = F.cross_entropy(model(part_x), part_y, reduction="sum")
                (loss / 6 if reduction == "mean" else loss).backward()
        optimizer.step()
        ends.append(averages(optimizer, model))
    for name, value in ends[0].items():
        torch.testing.assert_close(ends[1][name], value, rtol=1e-9, atol=1e-14)


@BOTH
def test_blocks_of_several_draws_count_by_their_examples():
    model, (x, y) = network(), batch()
    optimizer = IVON(model, num_data=20, initial_curvature=0.5)
    mean = weights(model)
    expected = {name: 0.0 for name, _ in model.named_parameters()}
    for part in (slice(0, 1), slice(1, 6)):
        with optimizer.sampled_params(train=True):
            noise = {k: p.detach() - mean[k] for k, p in model.named_parameters()}
            F.cross_entropy(model(x[part]), y[part]).backward()
            share = len(x[part]) / 6
            for k, p in model.named_parameters():
                expected[k] = expected[k] + share * noise[k] * p.grad
    got = optimizer._gathered.squares
    for k, p in model.named_parameters():
        torch.testing.assert_close(got[p], expected[k], rtol=1e-12, atol=1e-15)


@BOTH
@CLASSES
def test_a_closure_takes_as_many_draws_as_blocks_would(cls):
    (x, y), ends = batch(), []
    for way in ("closure", "blocks"):
        torch.manual_seed(1)
        model = network()
        optimizer = cls(model, num_data=20, num_samples=3)

        def closure(model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        if way == "closure":
            optimizer.step(closure)
        else:
            train(optimizer, [(x, y)], num_samples=3)
        ends.append(averages(optimizer, model))
    assert_bitwise(*ends)


@CLASSES
def test_automatic_blocks_add_up_to_one_mean(cls):
    """Micro-batches whose losses are divided by their number, in a loop as it is."""
    ends, (x, y) = [], batch()
    for num in (1, 2):
        torch.manual_seed(1)
        model = network()
        optimizer = cls(model, num_data=20, automatic=True, **QUIET)
        optimizer.zero_grad()
        for part_x, part_y in zip(x.chunk(num), y.chunk(num), strict=True):
            (F.cross_entropy(model(part_x), part_y) / num).backward()
        optimizer.step()
        ends.append(weights(model))
    for name, value in ends[0].items():
        torch.testing.assert_close(ends[1][name], value, rtol=1e-6, atol=1e-8)


@CLASSES
def test_parameters_that_take_no_part_are_left_alone(cls):
    model, (x, y) = WithSpare(), batch()
    model.first.bias.requires_grad_(False)
    optimizer = cls(model, num_data=20, params=model.parameters())
    before = weights(model)
    train(optimizer, [(x, y)])
    moved = {k for k, v in weights(model).items() if not torch.equal(v, before[k])}
    assert moved == {"first.weight"}
    assert set(optimizer.posterior_precision()) == {
        "first.weight", "spare.weight", "spare.bias",
    }  # fmt: skip


class WithSpare(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.spare = nn.Linear(3, 2), nn.Linear(2, 2)

    def forward(self, x):
        return self.first(x)


# --- groups -----------------------------------------------------------------------


@CLASSES
def test_groups_and_priors_by_name_have_settings_of_their_own(cls):
    model = normed()
    optimizer = cls(
        model, num_data=20, initial_curvature=0.1, damping=0.0,
        prior_precision={"0.*": 5.0}, params=model[:2].parameters(),
    )  # fmt: skip
    optimizer.add_param_group({
        "params": model[2].parameters(), "prior_precision": 9.0, "num_data": 40,
    })  # fmt: skip
    precision = optimizer.posterior_precision()
    assert precision["0.bias"].tolist() == pytest.approx([20 * 0.1 + 5] * 4)
    assert precision["2.bias"].tolist() == pytest.approx([40 * 0.1 + 9] * 2)
    assert precision.keys() == {"0.weight", "0.bias", "2.weight", "2.bias"}
    before = weights(model)
    block(optimizer, *batch())
    optimizer.step()
    assert not any(torch.equal(v, before[k]) for k, v in weights(model).items())
    with pytest.raises(ValueError, match="params must be in one group"):
        optimizer.add_param_group({"params": model[0].parameters()})
    with pytest.raises(ValueError, match="params must be parameters of the model"):
        optimizer.add_param_group({"params": nn.Linear(2, 2).parameters()})


@CLASSES
def test_batch_norm_can_be_sampled_like_all_others(cls):
    model = normed()
    optimizer = cls(model, num_data=20, batch_norm="sampled")
    assert set(optimizer.posterior_precision()) == set(dict(model.named_parameters()))


@CLASSES
def test_the_temperature_warms_up(cls):
    model = network()
    optimizer = cls(
        model, num_data=20, initial_curvature=0.5, damping=0.0, prior_precision=2.0,
        temperature=1.0, initial_temperature=0.1, temperature_warmup=2,
        curvature_decay=1 - 1e-12,
    )  # fmt: skip
    for tau in (0.1, 0.55, 1.0, 1.0):
        found = optimizer.posterior_precision()["0.bias"]
        assert found.tolist() == pytest.approx([20 * 0.5 / tau + 2] * 4, rel=1e-8)
        block(optimizer, *batch())
        optimizer.step()


# --- loss scales and types --------------------------------------------------------


@BOTH
@CLASSES
@pytest.mark.parametrize("unscale", [False, True])
def test_training_with_a_loss_scale_is_training_without(cls, unscale):
    data, ends = [batch() for _ in range(3)], []
    for scaler in (None, torch.amp.GradScaler("cpu", init_scale=2.0**12)):
        torch.manual_seed(1)
        model = network()
        optimizer = cls(model, num_data=20, initial_curvature=0.5)
        for x, y in data:
            told = scaler if unscale else None
            with optimizer.sampled_params(train=True, loss_scale=told):
                loss = F.cross_entropy(model(x), y)
                (loss if scaler is None else scaler.scale(loss)).backward()
            if scaler is None:
                optimizer.step()
                continue
            if unscale:
                scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()
        ends.append(averages(optimizer, model))
    for name, value in ends[0].items():  # a power of two is exact, up to its inverse
        torch.testing.assert_close(ends[1][name], value, rtol=1e-6, atol=1e-12)


@CLASSES
def test_a_step_that_overflowed_changes_nothing(cls):
    model, (x, y) = network(), batch()
    optimizer = cls(model, num_data=20)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    train(optimizer, [(x, y)])
    before = copy.deepcopy(averages(optimizer, model))
    with optimizer.sampled_params(train=True):
        scaler.scale(F.cross_entropy(model(x), y) * float("inf")).backward()
    scaler.step(optimizer)
    assert_bitwise(averages(optimizer, model), before)


@CLASSES
def test_parameters_of_several_types_train_and_resume_bit_for_bit(cls):
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(3, 4, dtype=torch.bfloat16)
            self.second = nn.Linear(4, 2, dtype=torch.float32)

        def forward(self, x):
            return self.second(self.first(x.bfloat16()).float())

    data, model = [batch() for _ in range(4)], Mixed()
    optimizer = cls(model, num_data=20)
    train(optimizer, data[:2])
    state = optimizer.state[model.first.weight]
    assert {state[k].dtype for k in ("curvature", "momentum_buffer")} == {torch.float32}
    assert model.first.weight.dtype == torch.bfloat16
    twin = Mixed()
    twin.load_state_dict(model.state_dict())
    again = cls(twin, num_data=20)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for each in (optimizer, again):
        train(each, data[2:])
    assert_bitwise(averages(again, twin), averages(optimizer, model))
    assert all(v.isfinite().all() for v in averages(again, twin).values())


# --- states and posteriors --------------------------------------------------------


@BOTH
@CLASSES
def test_saving_and_loading_half_way_changes_nothing(cls, tmp_path):
    data, straight = [batch() for _ in range(4)], normed()
    broken = copy.deepcopy(straight)

    def started(model):
        made = cls(model, num_data=20, seed=3, temperature_warmup=3)
        return made, torch.optim.lr_scheduler.LambdaLR(made, lambda t: 0.9**t)

    optimizer, scheduler = started(straight)
    train(optimizer, data, 2, scheduler)
    first, first_scheduler = started(broken)
    train(first, data[:2], 2, first_scheduler)
    parts = (broken, first, first_scheduler)
    torch.save([part.state_dict() for part in parts], tmp_path / "state.pt")
    resumed = normed()
    second, second_scheduler = started(resumed)
    saved = torch.load(tmp_path / "state.pt", weights_only=True)
    for part, state in zip((resumed, second, second_scheduler), saved, strict=True):
        part.load_state_dict(state)
    train(second, data[2:], 2, second_scheduler)
    assert_bitwise(weights(resumed), weights(straight))
    assert_bitwise(averages(second, resumed), averages(optimizer, straight))
    twin, copied = copy.deepcopy((resumed, second))
    for each in (second, copied):
        train(each, data)
    assert_bitwise(weights(twin), weights(resumed))


@CLASSES
def test_a_state_that_does_not_fit_is_refused(cls):
    model = network()
    optimizer, state = cls(model, num_data=20), cls(model, num_data=20).state_dict()
    other = (Vadam if cls is IVON else IVON)(model, num_data=20).state_dict()
    with pytest.raises(ValueError, match=f"must be of a {cls.__name__}, got"):
        optimizer.load_state_dict(other)
    with pytest.raises(ValueError, match=r"num_data must be 20 in the state to load"):
        optimizer.load_state_dict(cls(model, num_data=30).state_dict())
    part = cls(model, num_data=20, params=model[0].parameters()).state_dict()
    with pytest.raises(ValueError, match="groups of the state to load must hold"):
        optimizer.load_state_dict(part)
    del state["noise"]
    with pytest.raises(ValueError, match="got one without noise"):
        optimizer.load_state_dict(state)


@CLASSES
def test_a_posterior_is_saved_loaded_and_predicts(cls, tmp_path):
    model, (x, y) = network(), batch()
    optimizer = cls(model, num_data=20, prior_precision=3.0)
    train(optimizer, [(x, y)])
    posterior = optimizer.posterior()
    assert posterior.metadata["method"] == cls.__name__
    posterior.save(tmp_path / "posterior.pt")
    loaded = load_posterior(tmp_path / "posterior.pt")
    assert_bitwise(dict(loaded.precision), optimizer.posterior_precision())
    expected = posterior.predict_proba(model, x, num_samples=3)
    assert torch.equal(loaded.predict_proba(model, x, num_samples=3), expected)
    deviations = [p.rsqrt().flatten() for p in posterior.precision.values()]
    assert optimizer.mean_deviation().item() == pytest.approx(
        torch.cat(deviations).mean().item()
    )
    with (
        optimizer.sampled_params(),
        pytest.raises(RuntimeError, match="posterior must be called outside"),
    ):
        optimizer.posterior()


def test_a_model_without_sampled_parameters_has_no_deviation():
    assert IVON(nn.BatchNorm1d(3), num_data=20).mean_deviation().item() == 0

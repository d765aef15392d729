"""Accelerate's own loop trains as a loop with explicit blocks does."""

import os
import time

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from tests.vogn_app.optim.networks import assert_bitwise, assert_same
from vogn_app import VOGN

accelerate = pytest.importorskip("accelerate", reason="Accelerate is not installed")

SECONDS = 60  # for all processes of a test together


@pytest.fixture(autouse=True)
def fresh_accelerator():
    torch.set_default_dtype(torch.float32)
    yield
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
    accelerate.state.GradientState._reset_state()


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 2))


def data():
    x = torch.randn(32, 3, generator=torch.Generator().manual_seed(1))
    return TensorDataset(x, (x[:, 0] > 0).long())


def scheduled(optimizer):
    return torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)


def state(optimizer, model):
    """Weights and curvature, by name."""
    named = list(model.named_parameters())
    curvature = {f"s of {k}": optimizer.state[p]["curvature"] for k, p in named}
    return {k: v.clone() for k, v in (curvature | dict(named)).items()}


def framework(epochs=2, each_epoch=lambda accelerator, epoch: None, **options):
    """Train as Accelerate's documentation does."""
    accelerator = accelerate.Accelerator(cpu=True, **options)
    model = network()
    made = VOGN(model, num_data=32, automatic=True)
    loader = DataLoader(data(), 4)
    wrapped, optimizer, loader, scheduler = accelerator.prepare(
        model, made, loader, scheduled(made)
    )
    for epoch in range(epochs):
        each_epoch(accelerator, epoch)
        for x, y in loader:
            with accelerator.accumulate(wrapped):
                loss = F.cross_entropy(wrapped(x), y)
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(wrapped.parameters(), 0.2)
                optimizer.step()
                scheduler.step()
                optimizer.zero_grad()
    return made, model


def by_hand(accumulate, lower=False, epochs=2):
    model = network()
    optimizer = VOGN(model, num_data=32)
    scheduler = scheduled(optimizer)
    for _ in range(epochs):
        for i, (x, y) in enumerate(DataLoader(data(), 4), 1):
            with optimizer.sampled_params(train=True):
                with torch.autocast("cpu", torch.bfloat16, enabled=lower):
                    output = model(x)
                F.cross_entropy(output.float(), y).backward()
            if i % accumulate == 0:
                nn.utils.clip_grad_norm_(model.parameters(), 0.2)
                optimizer.step()
                scheduler.step()
                optimizer.zero_grad()
    return state(optimizer, model)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_prepared_loop_is_the_loop_with_blocks(accumulate):
    got = state(*framework(gradient_accumulation_steps=accumulate))
    assert_bitwise(got, by_hand(accumulate))


def test_four_micro_batches_to_rounding():
    got = state(*framework(gradient_accumulation_steps=4))
    assert_same(got, by_hand(4), rtol=1e-4)


def test_mixed_precision():
    got = state(*framework(mixed_precision="bf16"))
    assert_bitwise(got, by_hand(1, lower=True))


def test_a_state_that_was_saved_and_loaded_goes_on_bit_for_bit(tmp_path):
    def save(accelerator, epoch):
        if epoch == 1:
            accelerator.save_state(tmp_path)

    def load(accelerator, epoch):
        accelerator.load_state(tmp_path)

    whole = state(*framework(each_epoch=save))
    optimizer, model = framework(epochs=1, each_epoch=load)
    assert optimizer.num_steps == 16
    assert_bitwise(state(optimizer, model), whole)


def worker(rank, size, folder):
    """One process of Accelerate's own distributed run."""
    torch.set_num_threads(1)
    # What a launcher would set; nobody listens there, the group is met by a file.
    os.environ.update({
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size),
        "MASTER_ADDR": "localhost", "MASTER_PORT": "1", "ACCELERATE_USE_CPU": "true",
    })  # fmt: skip
    meeting = f"file://{folder / 'meeting'}"  # a port could be taken by others
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=size)
    drawn = []

    def watch(accelerator, epoch):
        assert accelerator.num_processes == size
        assert accelerator.distributed_type == "MULTI_CPU"

    original = VOGN._perturb

    def perturb(self):
        restore = original(self)
        drawn.append(self.model[0].weight.detach().clone())
        return restore

    VOGN._perturb = perturb
    made, model = framework(each_epoch=watch, gradient_accumulation_steps=2)
    torch.save(
        {"state": state(made, model), "drawn": drawn, "steps": made.num_steps},
        folder / f"{rank}.pt",
    )
    dist.barrier()
    dist.destroy_process_group()


def run(function, size, *args):
    """Run so many processes; an error in one, or a hang, ends them all."""
    context = mp.spawn(function, (size, *args), size, join=False)
    deadline = time.monotonic() + SECONDS
    try:
        while not context.join(1):
            assert time.monotonic() < deadline, "the processes hang"
    finally:
        for process in context.processes:
            process.kill()


@pytest.mark.slow
def test_ranks_draw_other_noise_and_end_with_the_same_weights(tmp_path):
    run(worker, 2, tmp_path)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert_bitwise(second["state"], first["state"])
    assert first["steps"] == 4  # 32 examples, 2 ranks of 4, 2 micro-batches, 2 epochs
    assert len(first["drawn"]) == len(second["drawn"]) == 8
    pairs = zip(first["drawn"], second["drawn"], strict=True)
    assert not any(torch.equal(ours, theirs) for ours, theirs in pairs)

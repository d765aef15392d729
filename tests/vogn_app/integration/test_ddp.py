"""DistributedDataParallel on real processes: one step equals that of one process."""

import time

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from tests.vogn_app.curvature.exactness import assert_close
from vogn_app import VOGN

SECONDS = 60  # for all processes of a test together


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.GroupNorm(1, 3), nn.ReLU(), nn.Flatten(),
        nn.Linear(12, 3),
    ).double()  # fmt: skip


def data():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(12, 2, 4, 4, generator=generator, dtype=torch.float64)
    return x, torch.randint(3, (12,), generator=generator)


def train(model, x, y, **options):
    optimizer = VOGN(model, num_data=60, **options)
    for _ in range(4):
        with optimizer.sampled_params(train=True):
            nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return optimizer


def state_of(optimizer, module):
    return {
        f"{name}.{key}": optimizer.state[p][key]
        for name, p in module.named_parameters()
        for key in ("momentum_buffer", "curvature")
    } | {name: p.detach() for name, p in module.named_parameters()}


def worker(rank, sizes, folder, options):
    """One process: trains on its share of the data and writes what it has."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    meeting = f"file://{folder / 'meeting'}"  # a port could be taken by others
    dist.init_process_group(
        "gloo", init_method=meeting, rank=rank, world_size=len(sizes)
    )
    module = network()
    x, y = (part.split(sizes)[rank] for part in data())
    optimizer = train(DistributedDataParallel(module), x, y, **options)
    torch.save(state_of(optimizer, module), folder / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


def run(function, sizes, *args):
    """Run one process for each size; an error in one, or a hang, ends them all."""
    context = mp.spawn(function, (sizes, *args), len(sizes), join=False)
    deadline = time.monotonic() + SECONDS
    try:
        while not context.join(1):
            assert time.monotonic() < deadline, "the processes hang"
    finally:
        for process in context.processes:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"curvature_interval": 2}])
@pytest.mark.parametrize("sizes", [[6, 6], [9, 3]])
def test_ranks_agree_with_one_process_on_all_examples(sizes, options, tmp_path):
    run(worker, sizes, tmp_path, options)
    ranks = [torch.load(tmp_path / f"{rank}.pt") for rank in range(len(sizes))]
    module = network()
    expected = state_of(train(module, *data(), **options), module)
    for state in ranks:
        assert_close(state, expected)
        assert all(torch.equal(state[key], ranks[0][key]) for key in state)

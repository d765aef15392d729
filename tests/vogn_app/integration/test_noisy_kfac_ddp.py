"""Noisy K-FAC on several real processes: as one process that draws for all of them."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from tests.vogn_app.curvature.exactness import assert_close
from tests.vogn_app.distributed.processes import run
from vogn_app import NoisyKFAC

SIZES = [3, 5]  # examples of each rank
STEPS = 5


def network():
    """Layers of at most twice as many inputs as there are examples.

    Ranks exchange whole factors. Alone those of larger layers stay rows for a while,
    whose roots are others: then draws are not the same, only their distribution is.
    """
    model = nn.Sequential(
        nn.Embedding(9, 6), nn.Linear(6, 8), nn.LayerNorm(8), nn.Unflatten(1, (1, 4)),
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(),
        nn.Linear(8, 3),
    ).double()  # fmt: skip
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=generator).mul_(0.4)
    return model


def parts(step):
    """Batches of the ranks."""
    generator = torch.Generator().manual_seed(step)
    x = torch.randint(9, (sum(SIZES), 4), generator=generator)
    y = torch.randint(3, (len(x),), generator=generator)
    return list(zip(x.split(SIZES), y.split(SIZES), strict=True))


def train(optimizer, steps, rank=None):
    """Steps on a rank's batches, or on those of all ranks, a draw for each."""
    for step in steps:
        optimizer.zero_grad()
        for x, y in parts(step) if rank is None else [parts(step)[rank]]:
            with optimizer.sampled_params(train=True):
                F.cross_entropy(optimizer.model(x), y).backward()
        optimizer.step()


def result(optimizer):
    named = optimizer.preconditioner.parameters.items()
    parameters = {name: p.detach().clone() for name, p in named}
    return parameters, optimizer.posterior().sample(2), optimizer.state_dict()


def ranks(rank, settings, ddp):
    model = network()
    if rank and not ddp:
        with torch.no_grad():
            model[-1].weight.add_(1.0)  # to be overwritten by rank 0's
    optimizer = NoisyKFAC(DistributedDataParallel(model) if ddp else model, **settings)
    train(optimizer, range(STEPS), rank)
    return result(optimizer)


def alone(settings, state=None, steps=range(STEPS)):
    model = network()
    optimizer = NoisyKFAC(model, process_group=None, **settings)
    if state is not None:
        model.load_state_dict(state[0])
        optimizer.load_state_dict(copy.deepcopy(state[1]))
    train(optimizer, steps)
    return result(optimizer)


SETTINGS = {"num_data": 50, "lr": 0.02, "factor_interval": 2, "damping": 0.5}


@pytest.mark.slow
@pytest.mark.parametrize("ddp", [False, True], ids=["bare", "wrapped"])
@pytest.mark.parametrize("inversion", ["cholesky", "eigen"])
def test_ranks_do_what_one_process_does_with_as_many_draws(ddp, inversion, tmp_path):
    settings = {**SETTINGS, "inversion": inversion}
    results = run(ranks, len(SIZES), tmp_path, settings, ddp)
    parameters, draws, _ = alone(settings)
    for theirs, their_draws, _ in results:
        assert_close(theirs, parameters)
        assert_close(their_draws, draws)
    # One process takes the state of two further, with their draws.
    further = range(STEPS, STEPS + 2)
    went_on, _, _ = alone(settings, (results[0][0], results[0][2]), further)
    expected, _, _ = alone(settings, steps=range(STEPS + 2))
    assert_close(went_on, expected)

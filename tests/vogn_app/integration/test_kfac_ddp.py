"""K-FAC on several real processes: as one process on all examples."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from tests.vogn_app.curvature.exactness import assert_close
from tests.vogn_app.distributed.processes import run
from vogn_app import KFAC

SHARES = {1: [12], 2: [7, 5], 4: [3, 5, 1, 3]}  # examples of each rank


def network():
    model = nn.Sequential(
        nn.Embedding(9, 6),
        nn.Linear(6, 8),
        nn.LayerNorm(8),
        nn.Unflatten(1, (1, 4)),
        nn.Conv2d(1, 4, 3, padding=1, groups=1),
        nn.GroupNorm(2, 4),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 4, 3, padding=1, groups=2, bias=False),
        nn.Flatten(),
        nn.Linear(128, 5),
        nn.Tanh(),
        nn.Linear(5, 3),
    ).double()
    generator = torch.Generator().manual_seed(7)  # the same for any default type
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=generator).mul_(0.4)
    return model


def batch(step):
    generator = torch.Generator().manual_seed(step)
    x = torch.randint(9, (12, 4), generator=generator)
    return x, torch.randint(3, (12,), generator=generator)


def rows_of(rank, size):
    start = sum(SHARES[size][:rank])
    return slice(start, start + SHARES[size][rank])


def train(optimizer, model, rank, size, steps, ddp=False):
    for step in steps:
        x, y = batch(step)
        rows = rows_of(rank, size)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[rows]), y[rows])
        if ddp:  # DistributedDataParallel takes the mean of the ranks' means
            loss = loss * len(y[rows]) * size / len(y)
        loss.backward()
        optimizer.step()


def result(optimizer):
    pre = optimizer.preconditioner
    factors = {key: mean.matrix() for key, mean in pre.factors().items()}
    return dict(pre.parameters), factors, pre.num_inverted


def ranks(rank, size, settings, ddp, steps, state=None):
    model = network()
    wrapped = DistributedDataParallel(model) if ddp else model
    if rank:
        with torch.no_grad():
            model[-1].weight.add_(1.0)  # to be overwritten by rank 0's
    if ddp:
        with torch.no_grad():
            model[-1].weight.copy_(network()[-1].weight)
    optimizer = KFAC(wrapped, lr=0.05, **settings)
    if state is not None:
        model.load_state_dict(state[0])
        optimizer.load_state_dict(copy.deepcopy(state[1]))
    train(optimizer, wrapped, rank, size, steps, ddp)
    parameters, factors, inverted = result(optimizer)
    parameters = {name: p.detach() for name, p in parameters.items()}
    return parameters, factors, inverted, (model.state_dict(), optimizer.state_dict())


def alone(settings, steps, state=None):
    model = network()
    settings = {
        **settings,
        "distribution": "communication",
        "communication_dtype": None,
    }
    optimizer = KFAC(model, lr=0.05, process_group=None, **settings)
    if state is not None:
        model.load_state_dict(state[0])
        optimizer.load_state_dict(copy.deepcopy(state[1]))
    train(optimizer, model, 0, 1, steps)
    return result(optimizer)


SETTINGS = {"factor_interval": 2, "damping": 1e-2, "kl_clip": 1e-2}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "distribution", "ddp"),
    [
        (2, "communication", False),
        (2, "memory", True),
        (4, "memory", False),
        (4, 0.5, False),
        (4, 0.5, True),
    ],
)
def test_ranks_do_what_one_process_does_on_all_examples(
    size, distribution, ddp, tmp_path
):
    settings = {**SETTINGS, "distribution": distribution}
    steps = range(5)
    results = run(ranks, size, tmp_path, size, settings, ddp, steps)
    parameters, factors, inverted = alone(settings, steps)
    for theirs, their_factors, _, _ in results:
        assert_close(theirs, parameters)
        assert_close(their_factors, factors)
    shares = [each[2] for each in results]
    assert sum(shares) == inverted
    assert all(0 < share < inverted for share in shares)


@pytest.mark.slow
@pytest.mark.parametrize("worlds", [(2, 1, 4), (1, 2)], ids=str)
def test_a_state_goes_on_with_another_number_of_ranks(worlds, tmp_path):
    settings = {**SETTINGS, "factor_interval": 3}
    state = ours = None
    for step, size in enumerate(worlds):
        results = run(ranks, size, tmp_path, size, settings, False, [step], state)
        state = results[0][3]
        model = network()
        optimizer = KFAC(model, lr=0.05, process_group=None, **settings)
        if ours is not None:
            model.load_state_dict(ours[0])
            optimizer.load_state_dict(copy.deepcopy(ours[1]))
        train(optimizer, model, 0, 1, [step])
        ours = model.state_dict(), optimizer.state_dict()
        assert_close(
            results[-1][0], {k: v.detach() for k, v in model.named_parameters()}
        )


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_statistics_in_half_precision(dtype, tmp_path):
    settings = {**SETTINGS, "communication_dtype": dtype}
    results = run(ranks, 2, tmp_path, 2, settings, False, range(1))
    _, factors, _ = alone(settings, range(1))
    for key, factor in results[0][1].items():
        # Each of two ranks rounds once, by at most 2^-8 of a number (bfloat16).
        error = (factor - factors[key]).norm()
        assert error <= 2 * 2**-8 * factors[key].norm()
    assert any((results[0][1][key] != factors[key]).any() for key in factors)

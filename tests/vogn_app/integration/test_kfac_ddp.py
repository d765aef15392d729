"""K-FAC on several real processes: as one process on all examples."""

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from tests.vogn_app.curvature.exactness import assert_close
from tests.vogn_app.distributed.processes import run
from vogn_app import KFAC, SPNGD
from vogn_app.optim.division import ELSEWHERE

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


def train(optimizer, model, rank, size, steps, ddp=False, keep=False):
    for step in steps:
        x, y = batch(step)
        rows = rows_of(rank, size)
        optimizer.zero_grad(set_to_none=not keep)
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


def loaded(rank, make, settings):
    """How many inverses a rank makes and holds, in training and after a load."""
    model = network()
    optimizer = make(model, lr=0.05, **settings)
    train(optimizer, model, rank, 2, range(1))
    if isinstance(optimizer, SPNGD):
        optimizer.consolidate_state_dict()
    other = network()
    again = make(other, lr=0.05, **settings)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    both = [each.preconditioner for each in (optimizer, again)]
    vector = {name: torch.ones_like(p) for name, p in model.named_parameters()}
    products = None
    if make is KFAC:
        products = [each.precondition(vector) for each in both]
    return [(each.num_inverted, holdings(each)) for each in both], products


def holdings(preconditioner):
    inverses = preconditioner._state.inverses
    return {key for key, each in inverses.items() if each is not ELSEWHERE}


@pytest.mark.parametrize(
    ("make", "settings"),
    [(SPNGD, {}), (KFAC, {"distribution": "memory"}), (KFAC, {"inversion": "ekfac"})],
)
def test_a_loaded_state_is_inverted_by_its_owners_as_in_training(
    make, settings, tmp_path
):
    shares = []
    for (trained, again), products in run(loaded, 2, tmp_path, make, settings):
        assert again == trained
        shares.append(again[0])
        if products is not None:
            assert_close(*products[::-1])
    assert all(shares)
    whole = alone({"factor_interval": 1}, range(1))[2]
    assert sum(shares) == whole


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


def with_given_up_batches(rank, size, make, settings, keep, uneven):
    """As `train`, but each batch comes after one that is given up."""
    model = network()
    optimizer = make(model, lr=0.05, **settings)
    for step in range(4):
        optimizer.zero_grad(set_to_none=not keep)
        if not (uneven and rank):
            x, y = batch(100 + step)
            F.cross_entropy(model(x[: 5 + rank]), y[: 5 + rank]).backward()
        train(optimizer, model, rank, size, [step], keep=keep)
    return {name: p.detach() for name, p in model.named_parameters()}


@pytest.mark.slow
@pytest.mark.parametrize("uneven", [False, True])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("make", [KFAC, SPNGD])
def test_ranks_may_give_up_batches(make, keep, uneven, tmp_path):
    """Also one rank alone, whose gradients others have sent early."""
    settings = {"damping": 1e-2, "kl_clip": 1e-2}
    results = run(with_given_up_batches, 2, tmp_path, 2, make, settings, keep, uneven)
    model = network()
    optimizer = make(model, lr=0.05, process_group=None, **settings)
    train(optimizer, model, 0, 1, range(4))
    expected = {name: p.detach() for name, p in model.named_parameters()}
    for parameters in results:
        assert_close(parameters, expected)


class Heads(nn.Module):
    """A body and two heads, of which a call uses one."""

    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 5)
        self.heads = nn.ModuleList(nn.Linear(5, 3) for _ in range(2))
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.normal_(generator=generator).mul_(0.4)

    def forward(self, x, number):
        return self.heads[number](torch.tanh(self.body(x)))


def in_turn(rank, size, make, settings, group="default"):
    model = Heads().double()
    optimizer = make(model, lr=0.05, process_group=group, **settings)
    due = []
    for step in range(12):
        due.append(list(optimizer.preconditioner._due))
        x, y = batch(step)
        rows = rows_of(rank, size)
        optimizer.zero_grad()
        F.cross_entropy(model(x[rows].double(), step % 2), y[rows]).backward()
        optimizer.step()
    return {name: p.detach() for name, p in model.named_parameters()}, due


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "settings"),
    [(KFAC, {"factor_interval": 4}), (SPNGD, {}),
     (KFAC, {"factor_interval": 4, "inversion": "ekfac"}),
     (KFAC, {"factor_interval": 2, "inverse_interval": 8})],
)  # fmt: skip
def test_layers_that_are_used_in_turn(make, settings, tmp_path):
    settings = {**settings, "damping": 1e-2, "kl_clip": 1e-2}
    expected, due = in_turn(0, 1, make, settings, None)
    assert [("heads.1", "inputs") in each for each in due[:2]] == [True, True]
    for parameters, theirs in run(in_turn, 2, tmp_path, 2, make, settings):
        assert_close(parameters, expected)
        assert theirs == due


def poisoned(rank, size, group="default"):
    """The gradient of a layer's output is not finite on the last rank, once."""
    model = network()
    settings = {**SETTINGS, "inversion": "ekfac", "factor_interval": 1}
    optimizer = KFAC(model, lr=0.05, process_group=group, **settings)
    train(optimizer, model, rank, size, [0])
    bad = torch.full_like(model[-1].bias, torch.nan if rank == size - 1 else 0)
    handle = model[-1].register_forward_hook(
        lambda m, a, out: out.register_hook(lambda g: g + bad) and None
    )
    x, y = batch(1)
    rows = rows_of(rank, size)
    optimizer.zero_grad()
    F.cross_entropy(model(x[rows]), y[rows]).backward()
    handle.remove()
    for parameter in model.parameters():  # the user's own care
        parameter.grad.zero_()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        optimizer.step()
    scales = {
        k: f.mean.value for k, f in optimizer.preconditioner._state.scales.items()
    }
    train(optimizer, model, rank, size, [2])
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    return parameters, scales, [str(w.message) for w in caught]


@pytest.mark.slow
def test_scales_that_one_rank_spoils_are_left_out_by_all(tmp_path):
    expected, scales, _ = poisoned(0, 1, None)
    for parameters, theirs, messages in run(poisoned, 2, tmp_path, 2):
        assert_close(parameters, expected)
        assert all(each.isfinite().all() for each in theirs.values())
        assert_close(theirs, scales)
        assert len(messages) == 1

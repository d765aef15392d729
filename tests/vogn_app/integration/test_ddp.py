"""Data-parallel training on real processes equals training on one.

A step has four parts, which one process takes one after the other, in blocks of their
own; of W ranks each takes every W-th. Draws are numbered alike, so all must agree.
"""

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from tests.vogn_app.curvature.exactness import Pair, Projected, assert_close
from tests.vogn_app.distributed.processes import run
from vogn_app import VOGN
from vogn_app.distributed import fingerprint

STEPS, CLASSES = 3, 3


class Tokens(nn.Module):
    """A class token and positions, whose squares come by broadcasting."""

    def __init__(self):
        super().__init__()
        self.inner, self.token = nn.Linear(4, 4), nn.Parameter(torch.randn(1, 1, 4))
        self.place = nn.Parameter(torch.randn(1, 9, 4))
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.norm, self.head = nn.LayerNorm(4), nn.Linear(4, CLASSES)

    def forward(self, x):
        x = self.inner(x.reshape(len(x), 8, 4))
        x = torch.cat([self.token.expand(len(x), 1, 4), x], 1) + self.place
        x = x + self.attention(x, x, x, need_weights=False)[0]
        return self.head(self.norm(x)[:, 0])


def convolutions(norm=lambda: nn.GroupNorm(1, 3)):
    return nn.Sequential(
        nn.Conv2d(2, 3, 3), norm(), nn.ReLU(), nn.Flatten(), nn.Linear(12, CLASSES),
    )  # fmt: skip


def flat(model, features):
    return nn.Sequential(nn.Flatten(), nn.Linear(32, features), model, nn.Linear(2, 3))


NETWORKS = {
    "convolutions": convolutions,
    "batch norm": lambda: convolutions(lambda: nn.BatchNorm2d(3)),
    "tokens": Tokens,
    "broadcast": lambda: flat(Pair(), 3),
    "whole model": lambda: flat(Projected(), 3),
}
WRAPS = {
    "bare": lambda model: (model, model),
    "wrapped": lambda model: (DistributedDataParallel(model),) * 2,
    "wrapped later": lambda model: (model, DistributedDataParallel(model)),
    "unused": lambda model: (
        model, DistributedDataParallel(model, find_unused_parameters=True),
    ),
    "static": lambda model: (DistributedDataParallel(model, static_graph=True),) * 2,
}  # fmt: skip


def network(kind):
    torch.manual_seed(0)
    return NETWORKS[kind]()


def parts_of_step(step, sizes):
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(sum(sizes), 2, 4, 4, generator=generator)
    y = torch.randint(CLASSES, (len(x),), generator=generator)
    return list(zip(x.split(sizes), y.split(sizes), strict=True))


def steps_of(optimizer, model, sizes, steps, rank=0, size=1, clip=None):
    """Train on every `size`-th part; gives fingerprints of the state after steps."""
    reduction, prints = optimizer.loss_reduction, []
    for step in steps:
        for x, y in parts_of_step(step, sizes)[rank::size]:
            with optimizer.sampled_params(train=True):
                if len(y):
                    loss = nn.functional.cross_entropy(model(x), y, reduction=reduction)
                    loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(optimizer._parameters(), clip)
        optimizer.step()
        prints.append(fingerprint(state_of(optimizer).values()))
    return prints


def state_of(optimizer):
    """Means, momenta and curvatures by name."""
    return {
        f"{number}.{key}": value
        for number, p in enumerate(optimizer._parameters())
        for key, value in [("mean", p.detach()), *optimizer.state[p].items()]
        if isinstance(value, torch.Tensor)
    }


def member(rank, size, kind, sizes, wrap, options):
    """One rank, which begins with weights of its own unless it is the first."""
    model = network(kind)
    if rank:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(1.0)
    options = dict(options)
    clip = options.pop("clip", None)
    given, called = WRAPS[wrap](model)
    optimizer = VOGN(given, num_data=60, **options)
    prints = steps_of(optimizer, called, sizes, range(STEPS), rank, size, clip)
    return state_of(optimizer), prints


def assert_as_one(
    size, tmp_path, *, kind="convolutions", sizes, wrap="bare", **options
):
    """Ranks agree with each other to the bit, and with one process to rounding."""
    results = run(member, size, tmp_path, size, kind, sizes, wrap, options)
    prints = [each for _, each in results]
    assert all(each == prints[0] for each in prints)
    assert len(set(prints[0])) == STEPS  # something changed in each
    model, clip = network(kind), options.pop("clip", None)
    alone = VOGN(model, num_data=60, **options)
    steps_of(alone, model, sizes, range(STEPS), clip=clip)
    assert_close(results[0][0], state_of(alone))


@pytest.mark.slow
@pytest.mark.parametrize("wrap", WRAPS)
def test_two_ranks_are_one_process(wrap, tmp_path):
    assert_as_one(2, tmp_path, sizes=[3, 3, 5, 1], wrap=wrap)


@pytest.mark.slow
@pytest.mark.parametrize(
    "sizes", [[3, 5, 1, 3], [4, 0, 2, 6], [0, 0, 3, 2], [2, 3, 0, 0]], ids=str
)
@pytest.mark.parametrize("size", [2, 4])
def test_uneven_and_empty_parts_count_by_their_examples(size, sizes, tmp_path):
    assert_as_one(size, tmp_path, sizes=sizes)


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(NETWORKS)[1:])
def test_squares_may_come_in_any_way(kind, tmp_path):
    assert_as_one(2, tmp_path, kind=kind, sizes=[4, 2, 3, 3])


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"curvature_interval": 2},
        {"loss_reduction": "sum", "curvature_interval": 2},
        {"clip": 0.05},
        {"batch_norm": "sampled"},
        {"curvature": "fisher"},
    ],
    ids=lambda options: "-".join(options),
)
def test_options_mean_the_same_on_ranks(options, tmp_path):
    assert_as_one(2, tmp_path, kind="batch norm", sizes=[4, 2, 3, 3], **options)


# --- samples of the weights -------------------------------------------------------


def sampling(rank, size, num_samples, wrap):
    """All ranks have the same batch; gives the weights that each draw had."""
    model, ((x, y),) = network("convolutions"), parts_of_step(0, [6])
    given, called = WRAPS[wrap](model)
    optimizer = VOGN(given, num_data=60, num_samples=num_samples)
    draws = []

    def closure():
        draws.append(model[0].weight.detach().clone())
        loss = nn.functional.cross_entropy(called(x), y)
        loss.backward()
        return loss

    for _ in range(STEPS):
        optimizer.step(closure)
    return state_of(optimizer), draws


@pytest.mark.slow
@pytest.mark.parametrize(("size", "num_samples"), [(2, 2), (4, 1)])
def test_samples_on_each_rank_are_all_samples_on_one(size, num_samples, tmp_path):
    results = run(sampling, size, tmp_path, size, num_samples, "wrapped")
    expected, draws = sampling(0, 1, size * num_samples, "bare")
    for rank, (state, own) in enumerate(results):
        assert_close(state, expected)
        for got, true in zip(own, draws[rank::size], strict=True):
            torch.testing.assert_close(got, true, rtol=1e-10, atol=1e-12)
            assert all((got - d).norm() > 1e-3 for d in draws if d is not true)


# --- training loops that know of no blocks ----------------------------------------


def automatic(rank, wrap):
    model = network("convolutions")
    given, called = WRAPS[wrap](model)
    optimizer = VOGN(given, num_data=60, automatic=True)
    for step in range(STEPS):
        x, y = parts_of_step(step, [3, 4])[rank]
        optimizer.zero_grad()
        nn.functional.cross_entropy(called(x), y).backward()
        optimizer.step()
    return state_of(optimizer)


@pytest.mark.slow
@pytest.mark.parametrize("wrap", ["bare", "wrapped", "wrapped later"])
def test_automatic_blocks_on_ranks_are_one_process(wrap, tmp_path):
    first, second = run(automatic, 2, tmp_path, wrap)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    expected = VOGN(network("convolutions"), num_data=60)
    steps_of(expected, expected.model, [3, 4], range(STEPS))
    assert_close(first, state_of(expected))

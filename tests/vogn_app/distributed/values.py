"""An exchange with values that a test chooses, and what it should give."""

import torch
import torch.distributed as dist
from torch import nn

from vogn_app.distributed import Exchange, Statistics, Weighing, ranks_of

SHAPES = [(3, 2), (4,), (), (2, 2)]
NUM_EXAMPLES = (3, 5, 1)  # of ranks
MEAN, SUM = Weighing(mean=True), Weighing(mean=False)


class Rank:
    """Parameters, and values for gradients and squares that a test chooses."""

    def __init__(self, rank, *, squares=True, weighing=MEAN, dtype=torch.float64):
        self.rank, self.weighing, self.with_squares = rank, weighing, squares
        self.parameters = [
            nn.Parameter(torch.ones(shape, dtype=dtype)) for shape in SHAPES
        ]
        ranks = ranks_of("default", nn.Linear(1, 1))
        self.exchange = Exchange(self.parameters, ranks, squares=squares)
        self.num_examples = NUM_EXAMPLES[rank]
        self.draw(None)

    def draw(self, which):
        """New squares, and new gradients for some parameters (None for all)."""
        self.which = range(len(SHAPES)) if which is None else which
        self.factors = [torch.randn_like(p) for p in self.parameters]
        self.squares = [
            torch.rand(shape) if n in self.which and self.with_squares else None
            for n, shape in enumerate(SHAPES)
        ]
        for parameter in self.parameters:
            parameter.grad = None

    def backward(self, **options):
        parts = [(self.parameters[n] * self.factors[n]).sum() for n in self.which]
        if parts:
            sum(parts).backward(**options)

    def sending(self, squares_of=None, num_examples=None):
        return self.exchange.overlapping(
            squares_of or (lambda number: self.squares[number]),
            num_examples or (lambda: self.num_examples),
            self.weighing,
        )

    def average(self):
        """What this rank has in the end, and the average."""
        gradients = [p.grad for p in self.parameters]
        own = Statistics(gradients, self.squares, self.num_examples)
        copies = [[None if v is None else v.clone() for v in each]
                  for each in (gradients, self.squares)]  # fmt: skip
        mean = self.exchange.average(own, self.weighing)
        return Statistics(*copies, self.num_examples), mean


def formula(each, weighing):
    """Averages over all ranks' examples, directly."""
    total = sum(own.num_examples for own in each)
    result = []
    for kind in (0, 1):
        lists = [(own.gradients, own.squares)[kind] for own in each]
        factors = [weighing.factors(own.num_examples)[kind] for own in each]
        means = []
        for values in zip(*lists, strict=True):
            there = [
                v.double() * f for v, f in zip(values, factors, strict=True)
                if v is not None
            ]  # fmt: skip
            means.append(sum(there) / total if there else None)
        result.append(means)
    return Statistics(*result, total)


def assert_average(results, weighing=MEAN, relative=1e-13):
    """Every round: the formula, and the same bits on all ranks."""
    for each in zip(*results, strict=True):
        expected = formula([own for own, _ in each], weighing)
        for _, mean in each:
            assert mean.num_examples == expected.num_examples
            for kind in ("gradients", "squares"):
                lists = [getattr(s, kind) for s in (mean, expected, each[0][1])]
                for got, true, first in zip(*lists, strict=True):
                    assert (got is None) == (true is None)
                    if got is not None:
                        torch.testing.assert_close(
                            got.double(), true, rtol=relative, atol=relative
                        )
                        assert torch.equal(got, first)


def counted_sums():
    """A list that grows with every all_reduce of values."""
    found, plain = [], dist.all_reduce

    def counted(tensor, **options):
        if tensor.is_floating_point():
            found.append(tensor.numel())
        return plain(tensor, **options)

    dist.all_reduce = counted
    return found

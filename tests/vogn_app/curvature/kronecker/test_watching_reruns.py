"""Layers that run again: outputs made from one another, frames of the examples."""

from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from tests.helpers.closed_form import example_gradients
from tests.vogn_app.curvature.kronecker.reference import all_close, captured
from vogn_app.likelihoods import Gaussian

N = 5


class Result(NamedTuple):
    last: torch.Tensor
    others: dict


class Chained(nn.Module):
    """Gives what its other outputs are made from, in any nesting."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 4))

    def forward(self, x):
        first = x @ self.weight
        second = first.tanh()
        return Result(second.square(), {"all": [first, second, None, second.detach()]})


def of_chained(output):
    first, second, _, _ = output.others["all"]
    return output.last + first * second


def squared_in_place(output):
    h, c = output
    return c + h.mul_(2).square()


CASES = {
    "hidden state": (lambda: nn.LSTMCell(3, 4), lambda output: output[0]),
    "cell state": (lambda: nn.LSTMCell(3, 4), lambda output: output[1]),
    "both": (lambda: nn.LSTMCell(3, 4), lambda output: output[0] + output[1]),
    "in place": (lambda: nn.LSTMCell(3, 4), squared_in_place),
    "one state": (lambda: nn.GRUCell(3, 4), lambda output: output),
    "chained": (Chained, of_chained),
}


class Model(nn.Module):
    def __init__(self, name):
        super().__init__()
        make, self.read = CASES[name]
        self.stem, self.cell, self.head = nn.Linear(3, 3), make(), nn.Linear(4, 2)
        self.reentrant = None

    def forward(self, x):
        x = self.stem(x)
        if self.reentrant is not None:
            return checkpoint(self.rest, x, use_reentrant=self.reentrant)
        return self.rest(x)

    def rest(self, x):
        return self.head(self.read(self.cell(x)).tanh())


def loss(output):
    return (output.sin() + output.square()).flatten(1).sum(1)


@pytest.mark.parametrize("reentrant", [None, False, True])
@pytest.mark.parametrize("name", CASES)
def test_outputs_made_from_one_another_are_counted_once(name, reentrant):
    model, x = Model(name), torch.randn(N, 3)
    each = example_gradients(model, lambda i: loss(model(x[i : i + 1])).sum(), N)
    squares = [g.flatten(1) for k, g in each.items() if k.startswith("cell.")]
    expected = torch.cat(squares, 1).square().mean(0, keepdim=True)
    model.reentrant = reentrant
    got = captured(model, lambda: loss(model(x)).mean().backward())
    torch.testing.assert_close(got["cell", "diagonal"], expected)


@pytest.mark.parametrize("name", CASES)
def test_of_labels_of_the_model_s_own_they_are_counted_once(name):
    model, x = Model(name), torch.randn(N, 3)
    passes = lambda output, num: Gaussian().square_roots(output.detach())  # noqa: E731
    run = lambda: model(x).sum().backward()  # noqa: E731
    got = captured(model, run, passes=passes)["cell", "diagonal"]
    total = torch.zeros_like(got)
    for column in range(2):
        each = example_gradients(
            model, lambda i, column=column: model(x[i : i + 1])[0, column], N
        )
        own = [g.flatten(1) for k, g in each.items() if k.startswith("cell.")]
        total += torch.cat(own, 1).square().mean(0, keepdim=True)
    torch.testing.assert_close(got, total)


class Frames(nn.Module):
    """Layers without tokens that see the frames of a video, one after the other."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 4, 2), nn.GroupNorm(2, 4)
        self.slope = nn.PReLU(4)

    def forward(self, x):
        frames = self.slope(self.norm(self.conv(x.flatten(0, 1))))
        return frames.unflatten(0, x.shape[:2])


def test_frames_of_an_example_are_added_before_they_are_squared():
    model, x = Frames(), torch.randn(N, 3, 2, 4, 4)
    each = example_gradients(model, lambda i: loss(model(x[i : i + 1])).sum(), N)
    run = lambda: loss(model(x)).mean().backward()  # noqa: E731
    got = captured(model, run, shape="diagonal")
    blocks = {name: [] for name in ("conv", "norm", "slope")}
    for name, g in each.items():
        blocks[name.partition(".")[0]].append(g.flatten(1))
    all_close(got, {
        (name, "diagonal"): torch.cat(g, 1).square().mean(0, keepdim=True)
        for name, g in blocks.items()
    })  # fmt: skip

"""Parameters that meet the examples by broadcasting, against a loop over examples."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.curvature.exactness import assert_exact
from vogn_app.curvature.broadcast import Consumers, find_meetings
from vogn_app.curvature.capture import BROADCAST, WHOLE_MODEL

N, T, D = 4, 3, 5


class Meeting(nn.Module):
    """Applies a function to tokens [N, T, D] and a bare parameter."""

    def __init__(self, shape, combine):
        super().__init__()
        self.parameter, self.combine = nn.Parameter(torch.randn(shape)), combine
        self.stem, self.head = nn.Linear(D, D), nn.Linear(D, 2)

    def forward(self, x):
        return self.head(self.combine(self.stem(x), self.parameter).tanh().mean(1))


def with_token(x, p):
    return torch.cat([p.expand(len(x), -1, -1), x], 1)


def in_parts(x, p):
    return torch.cat([x[:, :1] + p[:, :1], x[:, 1:] * p[:, 1:]], 1)


def resized(x, p):
    grid = p.reshape(1, 2, 2, D).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=(1, T), mode="bicubic")
    return x + grid.flatten(2).transpose(1, 2)


CASES = {
    "sum": ((1, T, D), lambda x, p: x + p),
    "sum on the left": ((T, D), lambda x, p: p + x),
    "scaled sum": ((D,), lambda x, p: torch.add(x, p, alpha=3)),
    "difference": ((D,), lambda x, p: x - p),
    "scaled difference": ((D,), lambda x, p: torch.sub(p, x, alpha=2)),
    "product": ((D,), lambda x, p: x * p),
    "product on the left": ((1, T, 1), lambda x, p: p * x),
    "quotient": ((D,), lambda x, p: x / p.exp()),
    "quotient of it": ((D,), lambda x, p: p / (x.square() + 1)),
    "in place": ((D,), lambda x, p: (x + 0).mul_(p).add_(p)),
    "token": ((1, 1, D), with_token),
    "scalar": ((), lambda x, p: x * p.exp()),
    "reshaped": ((D,), lambda x, p: x.mul(p.reshape(1, 1, -1))),
    "parts": ((1, T, D), in_parts),
    "twice": ((D,), lambda x, p: (x * p).tanh() + p),
    "token and position": (
        (1, T + 1, D), lambda x, p: with_token(x, p[:, :1]) + p,
    ),
    "softplus": ((D,), lambda x, p: x * F.softplus(p)),
    "resized": ((1, 4, D), resized),
    "stacked": ((D,), lambda x, p: x + torch.stack([p] * T)),
    "on the input of a residual": ((D,), lambda x, p: x + p * x.sin()),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_it_is_exact(name):
    model = Meeting(*CASES[name])
    capture = assert_exact(model, torch.randn(N, T, D))
    assert capture.coverage()["parameter"] == BROADCAST


@pytest.mark.parametrize("num", [1, T, D])
def test_it_is_exact_also_where_sizes_agree_by_chance(num):
    model = Meeting((T, D), lambda x, p: x + p)
    assert_exact(model, torch.randn(num, T, D))


def test_a_parameter_on_raw_inputs_is_exact():
    class First(Meeting):
        def forward(self, x):
            return self.head((x * self.parameter).mean(1))

    capture = assert_exact(First((D,), None), torch.randn(N, T, D))
    assert capture.coverage()["parameter"] == BROADCAST


OTHERS = {
    "matrix": ((D, D), lambda x, p: x @ p),
    "maximum": ((D,), lambda x, p: torch.maximum(x, p)),
    "sum and matrix": ((D, D), lambda x, p: (x + p[0]) @ p),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_uses_are_left_to_the_whole_model(name):
    capture = assert_exact(Meeting(*OTHERS[name]), torch.randn(N, T, D))
    assert capture.coverage()["parameter"] == WHOLE_MODEL


def test_folded_windows_are_left_to_the_whole_model():
    class Windows(Meeting):
        def forward(self, x):
            folded = self.stem(x).reshape(-1, 1, D) + self.parameter
            return self.head(folded.tanh().reshape(x.shape).mean(1))

    capture = assert_exact(Windows((1, D), None), torch.randn(N, T, D))
    assert capture.coverage()["parameter"] == WHOLE_MODEL


@pytest.mark.parametrize("length", [N - 1, N, N + 1])
def test_sequences_first_are_exact_also_when_as_long_as_the_batch(length):
    class SequenceFirst(Meeting):
        def forward(self, x):
            turned = self.stem(x).transpose(0, 1) * self.parameter
            return self.head(turned.tanh().sum(0))

    assert_exact(SequenceFirst((D,), None), torch.randn(N, length, D))


def test_unused_parameters_have_no_meetings():
    p = nn.Parameter(torch.randn(D))
    consumers = Consumers([torch.randn(N, D, requires_grad=True) * 2])
    assert find_meetings(consumers, {"p": p}, N, {}) == {}
    assert consumers.of(p) == 0


def test_micro_batches_and_two_views_add_up():
    class Views(Meeting):
        def forward(self, x):
            return super().forward(x) * super().forward(x.flip(1))

    assert_exact(Views((1, T, D), lambda x, p: x + p), torch.randn(N, T, D))


# Parameters that meet each other first: sizes may agree with the batch by chance.
AMONG_THEMSELVES = {
    "scaled table": (
        lambda: {"a": torch.randn(1)},
        lambda x, p: x + p["a"] * torch.arange(T * D).reshape(T, D).sin(),
    ),
    "rows and columns": (
        lambda: {"rows": torch.randn(T, 1, D), "columns": torch.randn(1, 2, D)},
        lambda x, p: x + (p["rows"] + p["columns"]).sum(1),
    ),
    "outer product": (
        lambda: {"a": torch.randn(T, 1), "b": torch.randn(1, D)},
        lambda x, p: x * (p["a"] * p["b"]),
    ),
}


@pytest.mark.parametrize("sizes", [[T], [2, T], [T + 2, T, 2], [T, 5]])
@pytest.mark.parametrize("name", AMONG_THEMSELVES)
def test_parameters_that_meet_each_other_first_are_exact_at_every_size(name, sizes):
    class Positions(nn.Module):
        def __init__(self):
            super().__init__()
            draw, self.combine = AMONG_THEMSELVES[name]
            self.own = nn.ParameterDict(draw())
            self.head = nn.Linear(D, 2)

        def forward(self, x):
            return self.head(self.combine(x, self.own).tanh()).sum(1)

    model, capture = Positions(), None
    for num in sizes:
        capture = assert_exact(model, torch.randn(num, T, D), capture=capture)

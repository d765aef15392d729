"""The look at each parameter's first squares: what it notices, and when it ends."""

# ruff: noqa: PT012, SIM117 - what raises is the block with its statements

import re
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.curvature.exactness import (
    assert_exact,
    capture_of,
    record,
    small_conv,
)
from vogn_app import UnsupportedLayerError
from vogn_app.curvature.capture import WHOLE_MODEL as WHOLE
from vogn_app.curvature.functional import listed


def slower(*names):
    """The warning that a second run of the whole model is needed."""
    return pytest.warns(
        UserWarning,
        match=rf"squared gradients of {re.escape(listed(names))} need a second run",
    )


class TiedDecoder(nn.Module):
    """Uses the weights of its embedding once more, directly."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(6, 4)

    def forward(self, tokens):
        return F.linear(self.embedding(tokens).tanh(), self.embedding.weight)


def test_a_weight_used_directly_too_is_noticed_and_exact():
    with slower("embedding.weight"):
        capture = assert_exact(TiedDecoder(), torch.randint(6, (5, 3)))
    assert capture.coverage() == {"embedding.weight": WHOLE}


class Direct(nn.Module):
    """A layer called as a module and, when asked, its weights used directly."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.direct, self.use_second = True, True

    def forward(self, x):
        x = self.first(x).tanh()
        if not self.use_second:
            return x
        y = self.second(x)
        return F.linear(y, self.second.weight) if self.direct else y


def test_a_linear_used_directly_too_is_noticed_and_exact():
    with slower("second.weight"):
        capture = assert_exact(Direct(), torch.randn(5, 3))
    assert capture.coverage()["second.weight"] == WHOLE
    assert capture.coverage()["second.bias"] == "linear"


def test_a_parameter_that_joins_later_is_verified_when_it_joins():
    model, x = Direct(), torch.randn(5, 3)
    capture = capture_of(model)
    model.use_second = False
    assert_exact(model, x, capture=capture)
    model.use_second = True
    with slower("second.weight"):
        assert_exact(model, x, capture=capture)


def test_a_leaf_with_a_table_as_long_as_the_batch_is_exact():
    class Lookup(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.randn(3))

        def forward(self, x, table):
            return (x @ self.scale.diag()) @ table

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.leaf = Lookup()
            self.register_buffer("table", torch.randn(3, 2))

        def forward(self, x):
            return self.leaf(x, self.table)

    with slower("leaf.scale"):
        assert_exact(Outer(), torch.randn(3, 3))


def test_a_layer_on_some_of_the_examples_is_exact():
    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.expert, self.head = nn.Linear(3, 3), nn.Linear(3, 2)

        def forward(self, x):
            chosen = x[:, 0] > 0
            y = x.clone()
            y[chosen] = self.expert(x[chosen])
            return self.head(y.tanh())

    x = torch.randn(6, 3)
    x[:3, 0], x[3:, 0] = 1, -1
    with slower("expert.weight", "expert.bias"):
        assert_exact(Gated(), x)


def test_unused_parameters_get_nothing_and_do_not_keep_the_verification_going():
    model, x = Direct(), torch.randn(5, 3)
    model.use_second = False
    capture = assert_exact(model, x)
    assert capture.verified == {"first.weight", "first.bias"}
    calls = []
    model.register_forward_hook(lambda *_: calls.append(1))
    _, recording = record(capture, model, (x,))
    assert calls == [1]
    assert set(recording.squares.sums) == {"first.weight", "first.bias"}


def test_only_the_first_step_runs_the_model_again():
    model, x, calls = small_conv(), torch.randn(5, 2, 4, 4), []
    model.register_forward_hook(lambda *_: calls.append(1))
    capture = capture_of(model)
    record(capture, model, (x,))
    assert len(calls) == 2
    record(capture, model, (x,))
    record(capture, model, (x,))
    assert len(calls) == 4


class Attention(nn.Module):
    """The key's bias moves all scores of a query alike: its gradient is rounding."""

    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(4, 4) for _ in range(3))

    def forward(self, x):
        scores = self.query(x) @ self.key(x).transpose(1, 2)
        return (scores.softmax(-1) @ self.value(x)).mean(1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_gradient_that_is_rounding_alone_is_no_mistake_of_the_rule(dtype):
    model, x = Attention().to(dtype), torch.randn(8, 5, 4, dtype=dtype)
    capture = capture_of(model)
    got, _ = record(capture, model, (x,))
    assert set(capture.coverage().values()) == {"linear"}
    scale = got["key.weight"].sum().sqrt()
    assert got["key.bias"].sum().sqrt() < 100 * torch.finfo(dtype).eps * scale


def test_a_first_gradient_of_zero_does_not_end_the_verification():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.head = nn.Linear(3, 3), nn.Linear(3, 2)
            nn.init.zeros_(self.head.weight)

        def forward(self, x):
            return self.head(F.linear(self.inner(x).tanh(), self.inner.weight))

    model, x = Twice(), torch.randn(5, 3)
    capture = capture_of(model)
    record(capture, model, (x,))
    nn.init.normal_(model.head.weight)
    with slower("inner.weight"):
        assert_exact(model, x, capture=capture)


def test_a_penalty_on_the_weights_is_noticed():
    model = nn.Linear(3, 2)
    with pytest.raises(UnsupportedLayerError, match="weight must add up"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with capture_of(model).recording():
                loss = model(torch.randn(5, 3)).square().sum()
                (loss + model.weight.square().sum()).backward()


def test_a_gradient_that_is_not_finite_is_no_mistake_of_the_rule():
    model, x = nn.Linear(3, 2), torch.full((5, 3), torch.nan)
    capture = capture_of(model)
    got, recording = record(capture, model, (x,))
    assert recording.squares.num_examples == 5
    assert got["weight"].isnan().all()
    assert capture.verified == set()
    assert_exact(model, torch.randn(5, 3), capture=capture)

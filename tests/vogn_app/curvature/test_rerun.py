"""Second runs of the whole model."""

# ruff: noqa: PT012, SIM117 - what raises is the block with its statements

import re
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.curvature.exactness import (
    Folded,
    Pair,
    Projected,
    assert_exact,
    capture_of,
    record,
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


def test_a_bare_matrix_is_exact():
    capture = assert_exact(Projected(), torch.randn(5, 3))
    assert capture.coverage()["matrix"] == WHOLE


def test_dropout_with_a_bare_matrix_is_an_error_that_names_it():
    model = Projected(dropout=0.1)
    with pytest.raises(
        UnsupportedLayerError, match=r"^per-example gradients of matrix "
        r"must come from a second run of Projected, which draws random numbers",
    ):  # fmt: skip
        record(capture_of(model), model, (torch.randn(4, 3),))


def test_folded_windows_fall_back_to_the_whole_model_with_a_warning():
    with slower("inner.weight", "inner.bias"):
        capture = assert_exact(Folded(), torch.randn(5, 12))
    assert capture.coverage()["inner.weight"] == WHOLE
    assert capture.coverage()["head.weight"] == "linear"


class Mixing(nn.Module):
    """A bare matrix in a model in which examples meet."""

    def __init__(self, mix):
        super().__init__()
        self.mix, self.matrix = mix, nn.Parameter(torch.randn(3, 3))
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        return self.head(self.mix(x @ self.matrix))


@pytest.mark.filterwarnings("ignore:The model mixes the examples")
@pytest.mark.parametrize(
    "mix",
    [
        lambda x: x - x.mean(0),
        lambda x: x.softmax(0),
        lambda x: x + x.flip(0) ** 2,
        lambda x: x * torch.randn(1).item(),
    ],
)
def test_mixing_examples_with_a_bare_matrix_is_an_error_that_names_it(mix):
    model = Mixing(mix)
    with pytest.raises(
        UnsupportedLayerError, match=r"^per-example gradients of matrix"
    ):
        record(capture_of(model), model, (torch.randn(5, 3),))


def test_an_error_about_many_parameters_names_the_first():
    model = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    with pytest.raises(UnsupportedLayerError, match=r"0\.weight, .* and 2 more must"):
        with capture_of(model).recording():
            sum(p.square().sum() for p in model.parameters()).backward()


@pytest.mark.filterwarnings("ignore:The model mixes the examples")
def test_the_error_says_what_may_be_wrong():
    model = Mixing(lambda x: x - x.mean(0))
    with pytest.raises(UnsupportedLayerError) as caught:
        record(capture_of(model), model, (torch.randn(5, 3),))
    assert str(caught.value) == (
        "per-example gradients of matrix must add up to its gradient, but do not: the "
        "model mixes examples (BatchNorm in train mode?), draws random numbers, or "
        "changes its state, the gradient was changed within the block (clipping?), or "
        "the loss has a term that is no example's (a penalty on the weights?). Use a "
        "layer that treats examples alone, or freeze it."
    )


def test_batch_norm_in_train_mode_with_a_bare_matrix_is_an_error():
    model = Mixing(nn.BatchNorm1d(3))
    with pytest.raises(
        UnsupportedLayerError, match=r"matrix.*BatchNorm in train mode\?"
    ):
        record(capture_of(model), model, (torch.randn(5, 3),))


def test_mixing_is_noticed_on_later_steps_too():
    class Late(Mixing):
        late = False

        def forward(self, x):
            x = x @ self.matrix
            return self.head(x - x.mean(0) if self.late else x)

    model = Late(None)
    capture = assert_exact(model, torch.randn(5, 3))
    model.late = True
    with pytest.raises(
        UnsupportedLayerError, match=r"^per-example gradients of matrix"
    ):
        record(capture, model, (torch.randn(5, 3),))


def test_two_calls_on_unequal_numbers_before_one_backward_are_an_error():
    model = Pair()
    with (
        pytest.raises(
            UnsupportedLayerError,
            match=r"of scale, .*must come from calls of the model on the same "
            r"examples, or with a backward pass in between, got calls on 2 and 5 "
            r"examples\.",
        ),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        with capture_of(model).recording():
            (model(torch.randn(5, 3)).sum() + model(torch.randn(2, 3)).sum()).backward()


def test_a_gradient_that_no_model_call_explains_is_an_error():
    model = nn.Linear(3, 2)
    with pytest.raises(UnsupportedLayerError) as caught:
        with capture_of(model).recording():
            F.linear(torch.randn(5, 3), model.weight).sum().backward()
    assert str(caught.value) == (
        "per-example gradients of weight must come from a call of the whole model, got "
        "none: call the model that the optimizer was given, with the examples in the "
        "first dimension."
    )


def test_a_model_with_bare_parameters_that_returns_only_its_loss_is_an_error():
    class Bare(Projected):
        def forward(self, x):
            return super().forward(x).square().mean()

    model = Bare()
    with pytest.raises(
        UnsupportedLayerError, match=r"matrix must come from outputs with the examples "
        r"in the first dimension, got one of shape \(\) for 5 examples\.",
    ):  # fmt: skip
        with capture_of(model).recording():
            model(torch.randn(5, 3)).backward()

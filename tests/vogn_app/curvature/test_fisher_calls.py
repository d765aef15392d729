"""Squares at drawn labels: which calls of the model count, and which are errors."""

# ruff: noqa: PT012, SIM117 - what raises is the block with its statements

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.helpers.closed_form import example_gradients
from tests.vogn_app.curvature.exactness import (
    Positions,
    assert_close,
    capture_of,
    default_loss,
    small_conv,
)
from tests.vogn_app.curvature.labelled import block, fisher, looped, user_loss
from vogn_app import UnsupportedLayerError
from vogn_app.likelihoods import Categorical

# --- calls ------------------------------------------------------------------------


def test_micro_batches_in_one_block_add_up():
    model, x = small_conv(), torch.randn(7, 2, 4, 4)
    capture = capture_of(model)
    for _ in range(2):
        drawn, labels = fisher(Categorical())
        model.zero_grad()
        with capture.recording(fisher=drawn) as recording:
            for part in (x[:4], x[4:6], x[6:]):
                user_loss(model(part)).backward()
        assert recording.squares.num_examples == 7
        expected = looped(model, (x,), torch.cat(labels), Categorical())
        assert_close(recording.squares.sums, expected)


@pytest.mark.parametrize("first", [True, False])
def test_a_call_without_backward_leaves_no_trace(first):
    model, x, y = small_conv(), torch.randn(5, 2, 4, 4), torch.randn(3, 2, 4, 4)
    drawn, labels = fisher(Categorical())
    with capture_of(model).recording(fisher=drawn) as recording:
        with torch.no_grad():
            model(y)
        if first:
            model(y)
        user_loss(model(x)).backward()
        if not first:
            model(y)
    assert recording.squares.num_examples == 5
    expected = looped(model, (x,), labels[int(first)], Categorical())
    assert_close(recording.squares.sums, expected)


def test_a_call_for_the_gradient_of_inputs_alone_leaves_no_trace():
    model, x = small_conv(), torch.randn(5, 2, 4, 4)
    drawn, labels = fisher(Categorical())
    with capture_of(model).recording(fisher=drawn) as recording:
        start = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(model(start).sin().sum(), start)
        moved = x + 0.1 * slope.sign()
        user_loss(model(moved)).backward()
    assert recording.squares.num_examples == 5
    expected = looped(model, (moved,), labels[1], Categorical())
    assert_close(recording.squares.sums, expected)


@pytest.mark.parametrize("together", [True, False])
def test_several_calls_before_a_backward_pass_are_an_error(together):
    model, x = nn.Linear(3, 3), torch.randn(5, 3)
    drawn, _ = fisher(Categorical())
    text = (
        r"^curvature must be 'empirical' when the model is called several times before "
        r"a backward pass, got 2 calls: labels are drawn for each call alone\.$"
    )
    with pytest.raises(RuntimeError, match=text):
        with capture_of(model).recording(fisher=drawn):
            losses = [user_loss(model(x)), user_loss(model(x.cos()))]
            for loss in [sum(losses)] if together else losses:
                loss.backward()


def test_a_second_backward_pass_through_a_call_counts_it_once():
    model, x = small_conv(), torch.randn(5, 2, 4, 4)
    drawn, labels = fisher(Categorical())
    with capture_of(model).recording(fisher=drawn) as recording:
        loss = user_loss(model(x))
        loss.backward(retain_graph=True)
        loss.backward()
    assert recording.squares.num_examples == 5
    expected = looped(model, (x,), labels[0], Categorical())
    assert_close(recording.squares.sums, expected)


def test_without_squares_no_labels_are_drawn_and_nothing_but_the_user_runs():
    model, x = small_conv(), torch.randn(5, 2, 4, 4)
    drawn, labels = fisher(Categorical())
    with capture_of(model).recording(squares=False, fisher=drawn) as recording:
        user_loss(model(x)).backward()
    assert labels == []
    assert recording.squares.num_examples == 5
    assert recording.squares.sums == {}


def test_an_empty_batch_gives_nothing():
    model = small_conv()
    drawn, labels = fisher(Categorical())
    with capture_of(model).recording(fisher=drawn) as recording:
        model(torch.randn(0, 2, 4, 4)).sum().backward()
    assert (recording.squares.sums, recording.squares.num_examples) == ({}, 0)
    assert labels == []


def test_a_pass_that_is_not_finite_is_no_error():
    model, x = nn.Linear(3, 3), torch.full((5, 3), torch.nan)
    capture = capture_of(model)
    squares, _, _ = block(capture, model, (x,), Categorical())
    assert squares.sums["weight"].isnan().all()
    assert capture.verified == set()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda features, logits: {"features": features, "logits": logits},
        lambda features, logits: SimpleNamespace(features=features, logits=logits),
        lambda features, logits: (features.detach().argmax(1), logits),
    ],
)
def test_models_with_several_outputs_are_exact(wrap):
    class Several(nn.Module):
        def __init__(self):
            super().__init__()
            self.matrix, self.head = nn.Parameter(torch.randn(3, 3)), nn.Linear(3, 3)

        def forward(self, x):
            features = x @ self.matrix
            return wrap(features, self.head(features.tanh()))

    def logits_of(output):
        if isinstance(output, dict):
            return output["logits"]
        return output[1] if isinstance(output, tuple) else output.logits

    model, x = Several(), torch.randn(5, 3)
    capture = capture_of(model)
    drawn, labels = fisher(Categorical())
    with capture.recording(fisher=drawn) as recording:
        user_loss(logits_of(model(x))).backward()
    rows = example_gradients(
        model,
        lambda i: F.cross_entropy(logits_of(model(x[i : i + 1])), labels[0][i : i + 1]),
        5,
    )
    assert recording.squares.num_examples == 5
    assert_close(
        recording.squares.sums, {k: r.square().sum(0) for k, r in rows.items()}
    )


# --- errors -----------------------------------------------------------------------


def test_a_parameter_that_the_labelled_output_does_not_see_is_an_error():
    class Auxiliary(nn.Module):
        def __init__(self):
            super().__init__()
            self.head, self.side = nn.Linear(3, 3), nn.Linear(3, 2)

        def forward(self, x):
            return {"logits": self.head(x), "side": self.side(x)}

    model = Auxiliary()
    drawn, _ = fisher(Categorical())
    with pytest.raises(
        UnsupportedLayerError,
        match=r"^squared gradients of side\.weight, side\.bias must come from the out",
    ):
        with capture_of(model).recording(fisher=drawn):
            output = model(torch.randn(5, 3))
            sum(default_loss(x, 0) for x in output.values()).backward()


def test_parts_of_the_model_called_by_hand_are_an_error():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3))
    drawn, _ = fisher(Categorical())
    with pytest.raises(
        UnsupportedLayerError, match="call the model that the optimizer"
    ):
        with capture_of(model).recording(fisher=drawn):
            model[2](model[0](torch.randn(5, 3))).sum().backward()


def test_outputs_that_are_no_logits_are_an_error():
    drawn, _ = fisher(Categorical())
    model = nn.Linear(3, 1)
    with pytest.raises(ValueError, match="use likelihood='bernoulli' or 'gaussian'"):
        with capture_of(model).recording(fisher=drawn):
            model(torch.randn(5, 3))


def test_a_sparse_gradient_is_an_error_that_names_its_parameter():
    model = Positions(3)
    model.token = nn.Embedding(7, 4, sparse=True)
    drawn, _ = fisher(Categorical())
    with pytest.raises(UnsupportedLayerError, match=r"token\.weight must be dense"):
        with capture_of(model).recording(fisher=drawn):
            model(torch.randint(7, (5, 3)))

"""Squares recorded during the user's backward, against a loop over examples."""

# ruff: noqa: SIM117 - the recording is the outer block, autocast its part

import warnings

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from tests.helpers.closed_form import example_gradients
from tests.vogn_app.curvature.exactness import (
    Folded,
    Pair,
    TinyViT,
    assert_close,
    assert_exact,
    capture_of,
    default_loss,
    record,
    small_conv,
    truth,
)
from vogn_app import UnsupportedLayerError
from vogn_app.curvature.capture import WHOLE_MODEL as WHOLE
from vogn_app.curvature.capture import coverage


def test_layers_with_rules_are_exact_and_named():
    capture = assert_exact(small_conv(), torch.randn(5, 2, 4, 4))
    assert set(capture.coverage().values()) == {"conv2d", "group_norm", "linear"}


def test_a_batch_of_one_is_exact():
    assert_exact(small_conv(), torch.randn(1, 2, 4, 4))


def test_layers_without_rules_are_exact_and_named():
    model = nn.Sequential(nn.PReLU(2), nn.Tanh(), nn.Flatten(), nn.Linear(12, 2))
    capture = assert_exact(model, torch.randn(5, 2, 6))
    assert capture.coverage() == {
        "0.weight": "functional",
        "3.weight": "linear",
        "3.bias": "linear",
    }


def test_a_sparse_gradient_is_an_error_that_names_its_parameter():
    class Bag(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(7, 4, sparse=True)

        def forward(self, tokens):
            return self.table(tokens).sum(1)

    model = Bag()
    with pytest.raises(
        UnsupportedLayerError, match=r"table\.weight must be dense, got"
    ):
        record(capture_of(model), model, (torch.randint(7, (3, 2)),))


def test_frozen_parameters_get_nothing_and_the_others_stay_exact():
    model = small_conv()
    model[0].requires_grad_(False)
    model[5].weight.requires_grad_(False)
    got, _ = record(capture_of(model), model, (torch.randn(5, 2, 4, 4),))
    assert set(got) == {"1.weight", "1.bias", "3.weight", "3.bias", "5.bias"}
    assert_exact(model, torch.randn(5, 2, 4, 4))


def test_parameters_frozen_after_construction_get_nothing():
    model, x = small_conv(), torch.randn(5, 2, 4, 4)
    capture = capture_of(model)
    model[3].requires_grad_(False)
    assert_exact(model, x, capture=capture)


@pytest.mark.parametrize("model", [small_conv, TinyViT])
def test_micro_batches_of_unequal_size_in_one_block_add_up(model):
    model, x = model(), torch.randn(7, 2, 4, 4)
    capture, expected = capture_of(model), truth(model, (x,))
    for _ in range(2):
        model.zero_grad()
        with capture.recording() as recording:
            for part in (x[:4], x[4:6], x[6:]):
                sum(default_loss(row, 0) for row in model(part)).backward()
        assert recording.squares.num_examples == 7
        assert_close(recording.squares.sums, expected)


def test_two_calls_before_one_backward_are_two_views_of_the_same_examples():
    model, x, y = Pair(), torch.randn(5, 3), torch.randn(5, 3)
    rows = example_gradients(
        model, lambda i: (model(x[i : i + 1]) * model(y[i : i + 1])).sum(), 5
    )
    with capture_of(model).recording() as recording:
        (model(x) * model(y)).sum().backward()
    assert recording.squares.num_examples == 5
    assert_close(
        recording.squares.sums, {k: v.square().sum(0) for k, v in rows.items()}
    )


def test_parts_of_the_model_called_by_hand_are_exact():
    model, x = (
        nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)),
        torch.randn(5, 3),
    )
    with capture_of(model).recording() as recording:
        sum(default_loss(row, 0) for row in model[2](model[1](model[0](x)))).backward()
    assert recording.squares.num_examples == 5
    assert_close(recording.squares.sums, truth(model, (x,)))


class WithLoss(nn.Module):
    """Gives its loss first, as language models do."""

    def __init__(self, keep_outputs=True):
        super().__init__()
        self.layer, self.keep_outputs = nn.Linear(3, 2), keep_outputs

    def forward(self, x):
        logits = self.layer(x)
        loss = logits.square().mean(0).sum()
        return {"loss": loss, "logits": logits} if self.keep_outputs else loss


@pytest.mark.parametrize("keep_outputs", [True, False])
def test_a_model_that_returns_its_loss_counts_the_examples_rightly(keep_outputs):
    model, x = WithLoss(keep_outputs), torch.randn(5, 3)
    rows = example_gradients(model, lambda i: model.layer(x[i]).square().sum(), 5)
    with capture_of(model).recording() as recording:
        output = model(x)
        (output["loss"] if keep_outputs else output).backward()
    assert recording.squares.num_examples == 5
    got = {k: v * 25 for k, v in recording.squares.sums.items()}
    assert_close(got, {k: v.square().sum(0) for k, v in rows.items()})


@pytest.mark.parametrize("model", [small_conv, TinyViT])
def test_an_empty_batch_gives_nothing(model):
    model = model()
    capture = capture_of(model)
    with capture.recording() as recording:
        model(torch.randn(0, 2, 4, 4)).sum().backward()
    assert (recording.squares.sums, recording.squares.num_examples) == ({}, 0)
    assert capture.verified == set()


def test_activation_checkpointing_counts_once():
    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4))
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            return self.head(checkpoint(self.body, x, use_reentrant=False))

    capture = assert_exact(Checkpointed(), torch.randn(5, 3))
    assert set(capture.coverage().values()) == {"linear"}


@pytest.mark.parametrize("num", [1, 6])
@pytest.mark.parametrize(
    "model",
    [
        lambda: nn.Sequential(nn.Linear(12, 40), nn.ReLU(), nn.Linear(40, 3)),
        lambda: nn.Sequential(
            nn.Unflatten(1, (3, 4)), nn.Linear(4, 4), nn.Conv1d(3, 2, 2), nn.Flatten()
        ),
        lambda: Folded(),
    ],
)
def test_autocast_gives_the_squares_of_full_precision(model, num):
    torch.set_default_dtype(torch.float32)
    model, x = model(), torch.randn(num, 12)
    expected = truth(model, (x,))
    capture = capture_of(model)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*second run of the whole model")
        with capture.recording() as recording:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                output = model(x)
            sum(default_loss(row.float(), 0) for row in output).backward()
    assert all(v.dtype == torch.float32 for v in recording.squares.sums.values())
    assert_close(recording.squares.sums, expected, relative=0.05)
    if not isinstance(model, Folded):  # re-runs of single layers repeat the autocast
        assert WHOLE not in capture.coverage().values()


def test_squares_under_autocast_are_not_rounded_to_half_precision():
    torch.set_default_dtype(torch.float32)
    model, x = nn.Linear(3, 2), torch.randn(5, 4, 3)
    with capture_of(model).recording() as recording:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = model(x)
            output.retain_grad()
            output.float().square().sum().backward()
    per_example = torch.einsum("nto,nti->noi", output.grad.float(), x)
    expected = {"weight": per_example.square().sum(0)}
    got = {"weight": recording.squares.sums["weight"]}
    assert_close(got, expected, relative=1e-6)


def test_coverage_tells_of_any_model_before_a_step():
    model, other = small_conv(), nn.Sequential(nn.Linear(3, 2), nn.PReLU())
    other[0].bias.requires_grad_(False)
    capture = capture_of(model)
    assert capture.coverage(model) == capture.coverage() == coverage(model)
    assert capture.coverage(other) == {"0.weight": "linear", "1.weight": "functional"}

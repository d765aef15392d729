"""The hooks of one block."""

# ruff: noqa: PT012, SIM117 - what raises is the block with its statements

import gc
import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.curvature.exactness import (
    assert_close,
    assert_exact,
    capture_of,
    default_loss,
    record,
    small_conv,
    truth,
)
from vogn_app import UnsupportedLayerError
from vogn_app.curvature.capture import EXACT, SHARED
from vogn_app.curvature.capture import WHOLE_MODEL as WHOLE


class Twice(nn.Module):
    """Calls one layer twice."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(self.layer(x).tanh())


@pytest.mark.parametrize(
    "layer", [lambda: nn.Linear(3, 3), lambda: nn.Bilinear(3, 3, 3)]
)
def test_a_module_called_twice_has_its_cross_terms(layer):
    class Both(Twice):
        def forward(self, x):
            inputs = (x, x.cos()) if isinstance(self.layer, nn.Bilinear) else (x,)
            first = self.layer(*inputs).tanh()
            return self.layer(*(first for _ in inputs))

    model, x = Both(layer()), torch.randn(5, 3)
    assert WHOLE not in assert_exact(model, x).coverage().values()


def test_a_module_called_twice_is_exact_on_one_condition():
    model, x = nn.Sequential(Twice(nn.Linear(3, 3)), nn.Linear(3, 2)), torch.randn(5, 3)
    verdicts = assert_exact(model, x).exactness()
    assert verdicts.pop("0.layer.weight") == verdicts.pop("0.layer.bias") == SHARED
    assert set(verdicts.values()) == {EXACT}


def test_squaring_the_calls_apart_would_differ():
    model, x = Twice(nn.Linear(3, 3)), torch.randn(5, 3)
    got, _ = record(capture_of(model), model, (x,))
    hidden = model.layer(x).tanh().detach().requires_grad_()
    default_loss(model.layer(hidden), 0).backward()
    last = hidden.square().T  # squares of the outer call alone, up to its gradients
    assert got["layer.weight"].shape == (last @ last.T).shape
    assert_close(got, truth(model, (x,)))


def test_a_call_whose_output_is_not_used_adds_nothing():
    class Wasteful(Twice):
        def forward(self, x):
            self.layer(x.exp())
            return self.layer(x)

    assert_exact(Wasteful(nn.Linear(3, 2)), torch.randn(5, 3))


def test_a_shared_weight_in_two_layers_has_its_cross_terms():
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    assert WHOLE not in assert_exact(model, torch.randn(5, 3)).coverage().values()


def test_inplace_activations_after_a_layer_do_no_harm():
    class InPlace(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.conv = nn.Linear(3, 4), nn.Conv1d(1, 1, 1)

        def forward(self, x):
            x = F.relu_(self.linear(x))
            return self.conv(x[:, None]).mul_(2)[:, 0]

    model = InPlace()
    capture = assert_exact(model, torch.randn(5, 3))
    assert WHOLE not in capture.coverage().values()


def test_passes_without_gradients_leave_no_trace():
    model, x = small_conv(), torch.randn(5, 2, 4, 4)
    capture, expected = capture_of(model), truth(model, (x,))
    with capture.recording() as recording:
        with torch.no_grad():
            model(x.exp())
        with torch.inference_mode():
            model(x.exp())
        loss = sum(default_loss(row, 0) for row in model(x))
        with torch.no_grad():
            model(x.exp())
        loss.backward()
    assert recording.squares.num_examples == 5
    assert_close(recording.squares.sums, expected)


def test_a_forward_pass_without_backward_leaves_no_trace_among_micro_batches():
    model, parts = small_conv(), torch.randn(3, 5, 2, 4, 4)
    capture, expected = capture_of(model), truth(model, (torch.cat([*parts[1:]]),))
    with capture.recording() as recording:
        model(parts[0])
        for part in parts[1:]:
            sum(default_loss(row, 0) for row in model(part)).backward()
    assert recording.squares.num_examples == 10
    assert_close(recording.squares.sums, expected)


def test_a_second_backward_through_a_graph_is_a_clear_error():
    model = nn.Linear(3, 2)
    with pytest.raises(RuntimeError) as caught, capture_of(model).recording():
        loss = model(torch.randn(5, 3)).square().sum()
        loss.backward(retain_graph=True)
        loss.backward()
    assert str(caught.value) == (
        "backward must run once for each forward pass inside "
        "sampled_params(train=True), got a second backward through weight, bias."
    )


def test_a_backward_after_the_block_adds_nothing():
    model = nn.Linear(3, 2)
    with capture_of(model).recording() as recording:
        loss = model(torch.randn(5, 3)).square().sum()
    loss.backward()
    assert recording.squares.sums == {}


def test_activations_are_freed_by_backward_though_the_loss_is_kept():
    model, seen = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), []
    model[1].register_forward_hook(lambda _m, _a, out: seen.append(weakref.ref(out)))
    capture = capture_of(model)
    with capture.recording() as recording:
        output = model(torch.randn(5, 3))
        output.square().sum().backward()
    gc.collect()
    assert seen
    assert all(ref() is None for ref in seen)
    assert (recording.state, recording.calls.completed()) == ({}, [])


class Gated(nn.Module):
    """Begins to use its layer's weight directly, too."""

    def __init__(self):
        super().__init__()
        self.stem, self.layer = nn.Linear(3, 3), nn.Linear(3, 3)
        self.open = False

    def forward(self, x):
        h = self.layer(self.stem(x)).tanh()
        return h + F.linear(h, self.layer.weight) if self.open else h


@pytest.mark.parametrize("layer", [nn.Linear, lambda *_: nn.LayerNorm(3)])
def test_a_direct_use_that_begins_later_is_noticed_and_exact(layer):
    model, x = Gated(), torch.randn(5, 3)
    capture = assert_exact(model, x)
    model.open = True
    with pytest.warns(UserWarning, match=r"of layer\.weight need a second run"):
        assert_exact(model, x, capture=capture)


def test_a_backward_pass_for_the_inputs_alone_counts_for_nothing():
    model = nn.Sequential(
        nn.Linear(3, 4), nn.LayerNorm(4), nn.Tanh(), nn.PReLU(), nn.Linear(4, 2)
    )
    capture, x = capture_of(model), torch.randn(6, 3)
    for _ in range(3):
        model.zero_grad()
        with capture.recording() as recording:
            start = x.clone().requires_grad_()
            (slope,) = torch.autograd.grad(model(start).sin().sum(), start)
            moved = (x + 0.1 * slope.sign()).detach()
            sum(default_loss(row, 0) for row in model(moved).split(1)).backward()
        assert recording.squares.num_examples == 6
        assert_close(recording.squares.sums, truth(model, (moved,)))


def test_gradients_given_to_the_caller_count_for_nothing():
    model, x = small_conv(), torch.randn(5, 2, 4, 4)
    parameters = list(model.parameters())
    expected = torch.autograd.grad(model(x).sin().sum(), parameters)
    with capture_of(model).recording() as recording:
        got = torch.autograd.grad(model(x).sin().sum(), parameters)
    assert all(torch.allclose(a, b) for a, b in zip(got, expected, strict=True))
    assert recording.squares.sums == {}


@pytest.mark.parametrize("shape", ["state", "loss", "number"])
def test_outputs_without_the_examples_first_do_not_change_their_number(shape):
    class Several(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(3, 4, batch_first=True)
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            outputs, (state, _) = self.lstm(x)
            logits = self.head(outputs[:, -1])
            if shape == "state":
                return state, logits
            loss = logits.sin().sum() + logits.square().sum()
            return (loss.reshape(1) if shape == "loss" else loss), logits

    model, x = Several(), torch.randn(6, 5, 3)
    expected = truth(model, (x,), lambda output, _: default_loss(output[1], 0))
    capture = capture_of(model)
    for _ in range(2):
        model.zero_grad()
        with capture.recording() as recording:
            first, logits = model(x)
            loss = sum(default_loss(row, 0) for row in logits.split(1))
            (first.sum() if shape == "loss" else loss).backward()
        assert recording.squares.num_examples == 6
        assert_close(recording.squares.sums, expected)


def test_a_layer_whose_mode_changes_before_the_backward_pass_is_noticed():
    model, x = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), torch.randn(6, 3)
    capture = capture_of(model)
    record(capture, model, (x,))
    with pytest.raises(UnsupportedLayerError, match=r"1\.weight must add up"):
        with capture.recording():
            loss = model(x).sin().sum()
            model.eval()
            loss.backward()


def test_recurrent_layers_leave_nothing_behind():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(3, 4, batch_first=True)

        def forward(self, x):
            return self.lstm(x)[0][:, -1]

    model, outputs = Recurrent(), []
    capture = capture_of(model)
    for _ in range(3):
        model.zero_grad()
        with capture.recording():
            output = model(torch.randn(5, 6, 3))
            output.square().sum().backward()
        outputs.append(weakref.ref(output))
    del output
    gc.collect()
    assert [ref() for ref in outputs] == [None] * 3


def test_biases_alone_train_beside_a_residual_in_place():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x):
            x = self.first(x)
            y = self.second(x)
            x += y
            return x

    model = Residual()
    for layer in (model.first, model.second):
        layer.weight.requires_grad_(False)
    assert_exact(model, torch.randn(5, 3))

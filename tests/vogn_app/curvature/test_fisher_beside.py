"""Squares at drawn labels beside the user's own pass, and with the rest of torch."""

# ruff: noqa: PT012, SIM117 - what raises is the block with its statements

import gc
import warnings
import weakref

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from tests.vogn_app.curvature.exactness import (
    Folded,
    assert_close,
    capture_of,
    small_conv,
)
from tests.vogn_app.curvature.labelled import (
    assert_exact,
    block,
    fisher,
    looped,
    plain_gradients,
    user_loss,
)
from vogn_app.curvature.fisher import without_hooks
from vogn_app.likelihoods import Categorical

# --- what stays as it was ---------------------------------------------------------


def test_gradients_of_parameters_and_inputs_are_the_users_alone():
    model, x = small_conv(), torch.randn(5, 2, 4, 4, requires_grad=True)
    outside = nn.Linear(3, 2)
    drawn, _ = fisher(Categorical())
    kept = torch.ones_like(model[0].weight)
    model[0].weight.grad = kept
    with capture_of(model).recording(fisher=drawn):
        output = model(x)
        assert model[0].weight.grad is kept
        assert kept.eq(1).all()
        assert x.grad is None
        model[0].weight.grad = None
        user_loss(outside(output)).backward()
    got = x.grad.clone()
    x.grad = None
    user_loss(outside(model(x))).backward()
    assert torch.equal(got, x.grad)


def test_hooks_on_parameters_see_the_users_gradients_alone():
    model, x = small_conv(), torch.randn(5, 2, 4, 4)
    seen, after = [], []
    handle = model[0].weight.register_hook(lambda g: seen.append(g) or g * 2)
    model[0].weight.register_post_accumulate_grad_hook(lambda p: after.append(p))
    expected = plain_gradients(model, (x,))
    seen.clear(), after.clear()
    squares, labels, got = block(capture_of(model), model, (x,), Categorical())
    assert (len(seen), len(after)) == (1, 1)
    assert all(torch.equal(got[name], g) for name, g in expected.items())
    handle.remove()
    assert_close(squares.sums, looped(model, (x,), labels, Categorical()))


def test_hooks_that_are_held_back_return_also_after_an_error():
    x, seen = torch.ones(2, requires_grad=True), []
    x.register_hook(seen.append)
    with pytest.raises(KeyError), without_hooks([x, torch.ones(1)]):
        x.sum().backward()
        raise KeyError
    assert seen == []
    x.sum().backward()
    assert len(seen) == 1


def test_the_users_backward_pass_forms_no_squares(monkeypatch):
    model, x = small_conv(), torch.randn(5, 2, 4, 4)
    capture = capture_of(model)
    drawn, _ = fisher(Categorical())
    with capture.recording(fisher=drawn):
        loss = user_loss(model(x))
        for name in ("sums", "chunks"):
            monkeypatch.setattr(f"vogn_app.curvature.evidence.Evidence.{name}", None)
        loss.backward()


def test_nothing_is_kept_though_the_outputs_are():
    model, seen = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3)), []
    model[1].register_forward_hook(lambda _m, _a, out: seen.append(weakref.ref(out)))
    capture = capture_of(model)
    drawn, _ = fisher(Categorical())
    with capture.recording(fisher=drawn) as recording:
        output = model(torch.randn(5, 3))
        output.square().sum().backward()
    gc.collect()
    assert len(seen) == 2  # the second from the look at where the examples are
    assert all(ref() is None for ref in seen)
    assert (recording.groups, recording.marks, recording.state) == ([], [], {})
    assert output.shape == (5, 3)


# --- together with the rest of torch ----------------------------------------------


class Checkpointed(nn.Module):
    def __init__(self, reentrant=False):
        super().__init__()
        self.stem, self.head = nn.Linear(3, 4), nn.Linear(4, 3)
        self.body = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Tanh())
        self.scale, self.reentrant = nn.Parameter(torch.randn(4)), reentrant

    def forward(self, x):
        x = self.stem(x).tanh()
        x = checkpoint(self.body, x, use_reentrant=self.reentrant)
        return self.head(x * self.scale)


def test_activation_checkpoints_are_exact():
    capture = assert_exact(Checkpointed(), torch.randn(5, 3))
    assert set(capture.coverage().values()) == {"linear", "layer_norm", "broadcast"}


def test_a_model_that_is_a_checkpoint_itself_is_exact():
    model, x = (
        nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3)),
        torch.randn(5, 3),
    )
    drawn, labels = fisher(Categorical())
    with capture_of(model).recording(fisher=drawn) as recording:
        user_loss(checkpoint(model, x, use_reentrant=False)).backward()
    assert len(labels) == 1
    assert_close(recording.squares.sums, looped(model, (x,), labels[0], Categorical()))


def test_a_reentrant_checkpoint_is_torchs_own_error():
    drawn, _ = fisher(Categorical())
    model = Checkpointed(reentrant=True)
    with pytest.raises(RuntimeError, match="use_reentrant=True"):
        with capture_of(model).recording(fisher=drawn):
            model(torch.randn(5, 3))


def test_a_compiled_model_is_exact():
    model, x = small_conv(), torch.randn(5, 2, 4, 4)
    compiled = torch.compile(model, backend="eager")
    with torch.no_grad():
        compiled(x)
    assert_exact(compiled, x)


@pytest.mark.parametrize("network", [small_conv, Folded])
@pytest.mark.parametrize("inside", [True, False])
def test_autocast_gives_the_squares_of_full_precision(network, inside):
    """Labels are drawn from the outputs in bfloat16; the loop takes the same labels."""
    torch.set_default_dtype(torch.float32)
    model = network()
    x = torch.randn(6, 2, 4, 4) if network is small_conv else torch.randn(6, 12)
    drawn, labels = fisher(Categorical())
    cast = torch.autocast("cpu", dtype=torch.bfloat16)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*second run of the whole model")
        with capture_of(model).recording(fisher=drawn) as recording:
            with cast:
                output = model(x)
                loss = user_loss(output.float())
                if inside:
                    loss.backward()
            if not inside:
                loss.backward()
    assert all(s.dtype == torch.float32 for s in recording.squares.sums.values())
    expected = looped(model, (x,), labels[0], Categorical())
    assert_close(recording.squares.sums, expected, relative=0.05)


def test_autocast_leaves_the_users_gradients_bit_by_bit():
    torch.set_default_dtype(torch.float32)
    model, x = small_conv(), torch.randn(6, 2, 4, 4)
    drawn, _ = fisher(Categorical())
    results = []
    for recording in (False, True):
        model.zero_grad()
        with capture_of(model).recording(squares=recording, fisher=drawn):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                output = model(x)
            user_loss(output.float()).backward()
        results.append([p.grad for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))

"""What layers do within a recording: whose forward is replaced, and when it is not."""

# ruff: noqa: PT012 - what raises is the block with its statements

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.curvature.exactness import (
    assert_close,
    assert_exact,
    capture_of,
    record,
    small_conv,
    truth,
)
from vogn_app.curvature.hooks import LayerHooks, split_rows
from vogn_app.curvature.recording import Recording

SECOND_RUN = pytest.mark.filterwarnings("ignore:The squared gradients of:UserWarning")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("0.weight", ("0.weight", None)),
        ("a.in_proj_weight..4:8", ("a.in_proj_weight", (4, 8))),
    ],
)
def test_a_key_is_a_name_and_perhaps_rows(key, expected):
    assert split_rows(key) == expected


# --- hooks come and go ------------------------------------------------------------

LAYERS = {
    "linear": lambda: nn.Linear(4, 4),
    "conv": lambda: nn.Conv1d(4, 4, 1),
    "layer norm": lambda: nn.LayerNorm(4),
    "no rule": lambda: nn.PReLU(4),
    "attention": lambda: nn.MultiheadAttention(4, 2),
}


def touched(module):
    """Whether a module runs otherwise than it was built to."""
    hooks = module._forward_hooks, module._forward_pre_hooks, module._backward_hooks
    return "forward" in vars(module) or any(hooks)


def has_hooks(model):
    return any(touched(module) for module in model.modules())


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_is_watched_within_the_context_only(kind):
    module = LAYERS[kind]()
    capture = capture_of(module)
    (layer,) = capture.layers
    hooks = LayerHooks(Recording(capture, squares=True), layer)
    with hooks.installed():
        assert touched(module)
    assert not has_hooks(module)
    with pytest.raises(KeyboardInterrupt), hooks.installed():
        raise KeyboardInterrupt
    assert not has_hooks(module)


def test_hooks_exist_within_the_block_only():
    model = small_conv()
    with capture_of(model).recording():
        assert has_hooks(model)
    assert not has_hooks(model)


def test_hooks_are_removed_after_an_exception():
    model = small_conv()
    with pytest.raises(KeyboardInterrupt), capture_of(model).recording():
        model(torch.randn(5, 2, 4, 4))
        raise KeyboardInterrupt
    assert not has_hooks(model)
    assert_exact(model, torch.randn(5, 2, 4, 4))


def test_hooks_are_removed_after_an_exception_inside_a_layer():
    model = small_conv()
    wrong = pytest.raises(RuntimeError, match="expected input")
    with wrong, capture_of(model).recording():
        model(torch.randn(5, 7, 4, 4))
    assert not has_hooks(model)


def test_a_layer_that_failed_in_a_call_that_was_caught_leaves_no_trace():
    model, x = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)), torch.randn(5, 3)
    expected = truth(model, (x,), lambda output, _: output.square().sum())
    with capture_of(model).recording() as recording:
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            model(torch.randn(5, 7))
        model(x).square().sum().backward()
    assert_close(recording.squares.sums, expected)


def test_hooks_of_the_user_stay():
    model, seen = nn.Sequential(nn.Linear(3, 3), nn.PReLU()), []
    for module in model:
        module.register_forward_hook(lambda module, *_: seen.append(module))
    record(capture_of(model), model, (torch.randn(2, 3),))
    seen.clear()
    model(torch.randn(2, 3))
    assert seen == list(model)


# --- a forward of the user's own --------------------------------------------------


def doubled(module):
    """Give a module a `forward` of its own."""
    plain = module.forward

    def forward(*args, **kwargs):
        output = plain(*args, **kwargs)
        first = 2 * output[0] if isinstance(output, tuple) else 2 * output
        return (first, *output[1:]) if isinstance(output, tuple) else first

    module.forward = forward
    return forward


class SelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x)[0]


@pytest.mark.parametrize("kind", ["linear", "layer norm"])
def test_a_layer_with_a_forward_of_its_own_keeps_it_and_is_exact(kind):
    model = nn.Sequential(LAYERS[kind](), nn.Linear(4, 2))
    own = doubled(model[0])
    capture = assert_exact(model, torch.randn(5, 4))
    assert model[0].forward is own
    assert capture.coverage()["0.weight"] == "functional"


@SECOND_RUN
def test_attention_with_a_forward_of_its_own_keeps_it_and_is_exact():
    model = SelfAttention()
    own = doubled(model.attention)
    assert_exact(model, torch.randn(5, 3, 4))
    assert model.attention.forward is own


@SECOND_RUN
@pytest.mark.parametrize("kind", ["linear", "layer norm"])
def test_a_forward_that_comes_later_is_run_kept_and_exact(kind):
    model, x = nn.Sequential(LAYERS[kind](), nn.Linear(4, 2)), torch.randn(5, 4)
    capture = assert_exact(model, x)
    own = doubled(model[0])
    assert_exact(model, x, capture=capture)
    assert model[0].forward is own


@pytest.mark.parametrize("base", [nn.Linear, nn.LayerNorm])
def test_a_subclass_that_computes_something_else_is_exact(base):
    class Doubled(base):
        def forward(self, x):
            return 2 * super().forward(x)

    first = Doubled(4, 4) if base is nn.Linear else Doubled(4)
    capture = assert_exact(nn.Sequential(first, nn.Linear(4, 2)), torch.randn(5, 4))
    assert capture.coverage()["0.weight"] == "functional"


HOOKED = ["linear", "layer norm", "no rule"]


@SECOND_RUN
@pytest.mark.parametrize("kind", HOOKED)
def test_a_hook_that_changes_the_output_is_exact(kind):
    model = nn.Sequential(LAYERS[kind](), nn.Linear(4, 2))
    model[0].register_forward_hook(lambda module, args, output: 2 * output)
    assert_exact(model, torch.randn(5, 4))


@SECOND_RUN
@pytest.mark.parametrize("kind", HOOKED)
def test_a_hook_that_changes_the_input_is_exact(kind):
    model = nn.Sequential(LAYERS[kind](), nn.Linear(4, 2))
    model[0].register_forward_pre_hook(lambda module, args: (2 * args[0],))
    assert_exact(model, torch.randn(5, 4))


@SECOND_RUN
@pytest.mark.parametrize("kind", HOOKED)
def test_a_hook_that_comes_later_and_changes_the_output_is_exact(kind):
    model, x = nn.Sequential(LAYERS[kind](), nn.Linear(4, 2)), torch.randn(5, 4)
    capture = assert_exact(model, x)
    model[0].register_forward_hook(lambda module, args, output: 2 * output)
    assert_exact(model, x, capture=capture)


# --- calls ------------------------------------------------------------------------


class ByKeyword(nn.Module):
    """Calls its layer with keywords only."""

    def __init__(self, layer, *names):
        super().__init__()
        self.layer, self.names = layer, names

    def forward(self, x):
        output = self.layer(**dict.fromkeys(self.names, x))
        return output[0] if isinstance(output, tuple) else output


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("linear", ["input"]),
        ("layer norm", ["input"]),
        ("attention", ["query", "key", "value"]),
    ],
)
def test_a_layer_called_by_keyword_is_exact(kind, names):
    layer = LAYERS[kind]()
    layer.batch_first = True
    capture = assert_exact(ByKeyword(layer, *names), torch.randn(5, 3, 4))
    expected = {"attention": "multihead_attention"}.get(kind, kind.replace(" ", "_"))
    assert set(capture.coverage().values()) == {expected}


@SECOND_RUN
def test_a_layer_without_a_rule_called_by_keyword_is_exact():
    assert_exact(ByKeyword(nn.PReLU(4), "input"), torch.randn(5, 4))


def test_further_arguments_reach_the_layer():
    class Sized(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = nn.ConvTranspose1d(2, 3, 3, stride=2)

        def forward(self, x):
            first = self.up(x, [8])
            return first + self.up(x, output_size=[8])

    model, x = Sized(), torch.randn(4, 2, 3)
    assert model(x).shape == (4, 3, 8)
    capture = assert_exact(model, x)
    assert set(capture.coverage().values()) == {"conv_transpose1d"}


def is_recorded(output):
    return type(output.grad_fn).__name__ == "RecordedLayerBackward"


def test_a_layer_runs_as_it_is_where_there_is_nothing_to_record():
    model, x = nn.Linear(4, 3), torch.randn(5, 4, requires_grad=True)
    with capture_of(model).recording(squares=False):
        assert not is_recorded(model(x))
    with capture_of(model).recording() as recording:
        assert is_recorded(model(x))
        assert not is_recorded(model(x[0]))  # no examples
        assert not is_recorded(model(x[:0]))
        with torch.no_grad():
            assert model(x).grad_fn is None
        with recording.paused():
            assert not is_recorded(model(x))
        model.requires_grad_(False)
        assert not is_recorded(model(x))
    assert not is_recorded(model.requires_grad_()(x))


@pytest.mark.parametrize("kind", ["linear", "layer norm", "no rule"])
def test_a_layer_under_torch_func_runs_as_it_is(kind):
    layer, x = LAYERS[kind](), torch.randn(5, 4)
    plain = torch.func.jacrev(layer)(x)
    with capture_of(layer).recording() as recording:
        inside = torch.func.jacrev(layer)(x)
    assert torch.equal(inside, plain)
    assert recording.squares.sums == {}


class Functional(nn.Module):
    """Calls its second layer with three times its weight."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x):
        tensors = {"weight": 3 * self.second.weight, "bias": self.second.bias}
        x = self.first(x).tanh()
        return torch.func.functional_call(self.second, tensors, (x,))


@SECOND_RUN
def test_a_layer_called_with_other_weights_gives_autograds_gradients():
    model, x = Functional(), torch.randn(5, 3)
    expected = torch.autograd.grad(model(x).sin().sum(), list(model.parameters()))
    with capture_of(model).recording():
        model(x).sin().sum().backward()
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-12, atol=1e-14)


# --- parameters that take no part -------------------------------------------------


@pytest.mark.parametrize("frozen", ["weight", "bias"])
@pytest.mark.parametrize("kind", ["linear", "conv", "layer norm"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_one_of_two_parameters_frozen_leaves_the_other_exact(kind, frozen, when):
    model = nn.Sequential(LAYERS[kind](), nn.Tanh())
    x = torch.randn(5, 4, 4)
    capture = capture_of(model)
    model[0].get_parameter(frozen).requires_grad_(False)
    capture = capture if when == "after" else capture_of(model)
    assert_exact(model, x, capture=capture)
    _, recording = record(capture, model, (x,))
    (name,) = {"weight", "bias"} - {frozen}
    assert set(recording.squares.sums) == {f"0.{name}"}
    assert model[0].get_parameter(frozen).grad is None


@pytest.mark.parametrize("kind", ["linear", "layer norm", "no rule"])
def test_a_layer_that_is_not_called_gives_nothing(kind):
    model = nn.ModuleDict({"used": nn.Linear(4, 2), "idle": LAYERS[kind]()})
    model.forward = lambda x: model["used"](x)
    _, recording = record(capture_of(model), model, (torch.randn(5, 4),))
    assert set(recording.squares.sums) == {"used.weight", "used.bias"}


def test_a_layer_that_is_frozen_and_thawed_is_exact_again():
    model, x = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)), torch.randn(5, 4)
    capture = capture_of(model)
    for wanted in (True, False, True):
        model[0].requires_grad_(wanted)
        assert_exact(model, x, capture=capture)
    assert set(capture.coverage().values()) == {"linear"}


def test_inplace_changes_of_an_output_by_the_caller_do_no_harm():
    class InPlace(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.slope = nn.LayerNorm(4), nn.PReLU(4)

        def forward(self, x):
            return F.relu_(self.slope(self.norm(x).mul_(2)).add_(1))

    assert_exact(InPlace(), torch.randn(5, 4))

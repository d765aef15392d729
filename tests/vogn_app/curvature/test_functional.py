"""Re-runs of modules without a rule, one example at a time."""

import pytest
import torch
from torch import nn

from tests.helpers.closed_form import example_gradients
from tests.vogn_app.curvature.exactness import assert_close
from vogn_app import UnsupportedLayerError
from vogn_app.curvature import functional
from vogn_app.curvature.functional import (
    ModuleCall,
    contribution_chunks,
    output_tensors,
)


class Bare(nn.Module):
    """Parameters used in forward, without a layer."""

    def __init__(self):
        super().__init__()
        self.scale, self.shift = (
            nn.Parameter(torch.randn(3)),
            nn.Parameter(torch.ones(3)),
        )

    def forward(self, x):
        return (x * self.scale).sin() * self.shift


class Several(nn.Module):
    """Two inputs, one of them by keyword, a constant, and several outputs."""

    def __init__(self, wrap):
        super().__init__()
        self.wrap, self.weight = wrap, nn.Parameter(torch.randn(3))

    def forward(self, x, table, *, other, power=1):
        mixed = (x + other) @ table * self.weight**power
        return self.wrap(mixed, mixed.square().sum(-1))


def as_tuple(first, second):
    return first, second


def as_dict(first, second):
    return {"first": first, "nested": [second, "text", None]}


def call_of(module, *args, **kwargs):
    """The call of a module and random gradients of its outputs."""
    outputs = output_tensors(module(*args, **kwargs))
    call = ModuleCall.of(args, kwargs, outputs)
    call.gradients.update({i: torch.randn_like(x) for i, x in outputs.items()})
    return call


def pulled(module, call):
    names = [name for name, _ in module.named_parameters()]
    parts = list(contribution_chunks(module, names, call))
    return {name: torch.cat([part[name] for part in parts]) for name in names}


def by_loop(module, call):
    """The same with autograd, an example after the other."""
    num = call.num_examples

    def part(x, i):
        batched = isinstance(x, torch.Tensor) and x.shape[:1] == (num,)
        return x[i : i + 1] if batched else x

    def loss_of(i):
        kwargs = {k: part(v, i) for k, v in call.kwargs.items()}
        outputs = output_tensors(module(*(part(x, i) for x in call.args), **kwargs))
        return sum((outputs[k] * g[i : i + 1]).sum() for k, g in call.gradients.items())

    return example_gradients(module, loss_of, num)


MODULES = {
    "conv 1d": lambda: (nn.Conv1d(3, 4, 3, padding=1, stride=2), torch.randn(5, 3, 7)),
    "transposed conv": lambda: (nn.ConvTranspose2d(3, 2, 3), torch.randn(5, 3, 4, 4)),
    "embedding": lambda: (nn.Embedding(4, 3), torch.randint(4, (5, 9))),
    "embedding with padding": lambda: (
        nn.Embedding(4, 3, padding_idx=1),
        torch.randint(4, (5, 9)),
    ),
    "bare parameters": lambda: (Bare(), torch.randn(5, 3)),
    "instance norm": lambda: (
        nn.InstanceNorm2d(3, affine=True),
        torch.randn(5, 3, 4, 4),
    ),
    "rms norm": lambda: (nn.RMSNorm(4), torch.randn(5, 6, 4)),
    "bilinear": lambda: (nn.Bilinear(3, 3, 2), torch.randn(5, 3), torch.randn(5, 3)),
    "lstm": lambda: (nn.LSTM(3, 4, batch_first=True), torch.randn(5, 6, 3)),
    "gru, two layers": lambda: (
        nn.GRU(3, 4, num_layers=2, batch_first=True, bidirectional=True),
        torch.randn(5, 6, 3),
    ),
    "attention": lambda: (
        nn.MultiheadAttention(4, 2, batch_first=True),
        *(torch.randn(5, 6, 4) for _ in range(3)),
    ),
}


def batch_second(name, call):
    """Drop the states of recurrent layers: their examples come second."""
    if name.startswith(("lstm", "gru")):
        call.gradients = {0: call.gradients[0]}
    return call


@pytest.mark.parametrize("name", MODULES)
def test_any_module_gives_each_examples_gradient(name):
    module, *inputs = MODULES[name]()
    call = batch_second(name, call_of(module, *inputs))
    assert_close(pulled(module, call), by_loop(module, call))


def test_repeated_tokens_add_up_before_squaring():
    module, tokens = nn.Embedding(3, 1), torch.tensor([[1, 1, 1], [1, 2, 0]])
    call = call_of(module, tokens)
    call.gradients[0] = torch.ones(2, 3, 1)
    got = pulled(module, call)["weight"].flatten(1)
    assert got.tolist() == [[0, 3, 0], [1, 1, 1]]


@pytest.mark.parametrize("wrap", [as_tuple, as_dict])
def test_several_inputs_keywords_constants_and_outputs(wrap):
    module = Several(wrap)
    table = torch.randn(4, 3)
    other = torch.randn(5, 4)
    call = call_of(module, torch.randn(5, 4), table, other=other, power=2)
    assert len(call.gradients) == 2
    assert_close(pulled(module, call), by_loop(module, call))


def test_an_output_without_gradient_counts_for_nothing():
    module = Several(as_tuple)
    call = call_of(
        module, torch.randn(5, 4), torch.randn(4, 3), other=torch.zeros(5, 4)
    )
    del call.gradients[1]
    assert_close(pulled(module, call), by_loop(module, call))


def test_small_chunks_give_the_same(monkeypatch):
    monkeypatch.setattr(functional, "CHUNK_ELEMENTS", 15)
    module = Bare()
    call = call_of(module, torch.randn(5, 3))
    parts = list(contribution_chunks(module, ["scale", "shift"], call))
    assert [len(part["scale"]) for part in parts] == [2, 2, 1]
    assert_close(pulled(module, call), by_loop(module, call))


def test_only_the_wanted_parameters_are_given():
    module = Bare()
    (part,) = contribution_chunks(module, ["shift"], call_of(module, torch.randn(5, 3)))
    assert set(part) == {"shift"}


class Branching(nn.Module):
    """Control flow that depends on values, which vmap cannot trace."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3))

    def forward(self, x):
        rows = [row * self.weight if row.sum() > 0 else row + self.weight for row in x]
        return torch.stack(rows)


def test_what_vmap_cannot_trace_runs_example_by_example():
    module = Branching()
    call = call_of(module, torch.randn(6, 3))
    assert_close(pulled(module, call), by_loop(module, call))


@pytest.mark.parametrize("module", [Bare, Branching])
def test_active_dropout_is_an_error_that_names_the_parameters(module):
    model = nn.Sequential(module(), nn.Dropout(0.5))
    call = call_of(model, torch.randn(5, 3))
    before = torch.get_rng_state()
    with pytest.raises(UnsupportedLayerError) as caught:
        pulled(model, call)
    assert str(caught.value) == (
        f"per-example gradients of {', '.join(n for n, _ in model.named_parameters())} "
        "must come from a second run of Sequential, which draws random numbers "
        "(dropout?), so that it would differ from the first. Set its dropout to zero, "
        "or freeze these parameters."
    )
    assert torch.equal(before, torch.get_rng_state())


def test_dropout_in_eval_mode_is_fine():
    model = nn.Sequential(Bare(), nn.Dropout(0.5)).eval()
    call = call_of(model, torch.randn(5, 3))
    assert_close(pulled(model, call), by_loop(model, call))


class Counting(nn.Module):
    """Writes to its buffers, once in a way that vmap refuses."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3))
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("last", torch.zeros(3))

    def forward(self, x):
        self.calls.add_(1)
        self.last.copy_(x.detach().mean(0))
        return x * self.weight


def test_buffers_parameters_and_generators_are_left_alone():
    module = Counting()
    call = call_of(module, torch.randn(5, 3))
    before = {k: v.clone() for k, v in module.state_dict().items()}
    state = torch.get_rng_state()
    got = pulled(module, call)
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert torch.equal(state, torch.get_rng_state())
    assert module.weight.grad is None
    assert_close(got, by_loop(module, call))


def test_a_module_that_needs_several_examples_is_an_error_that_says_so():
    module = nn.Sequential(Bare(), nn.BatchNorm1d(3, track_running_stats=False))
    call = call_of(module, torch.randn(5, 3))
    with pytest.raises(
        UnsupportedLayerError,
        match=r"0\.scale.* must come from running Sequential on one example at a time, "
        r"which fails \(BatchNorm in train mode\?\): Expected more than 1 value",
    ):
        pulled(module, call)


@pytest.mark.parametrize("shape", [(), (3,)])
def test_an_output_without_examples_is_an_error(shape):
    module = Bare()
    call = call_of(module, torch.randn(5, 3))
    call.gradients[0] = torch.randn(shape)
    with pytest.raises(UnsupportedLayerError) as caught:
        pulled(module, call)
    assert str(caught.value) == (
        "per-example gradients of scale, shift must come from outputs with the "
        f"examples in the first dimension, got one of shape {shape} for 5 examples."
    )


def test_examples_are_counted_on_the_first_output_that_has_a_dimension():
    scalar, rows = torch.zeros(()), torch.zeros(4, 2)
    assert ModuleCall((), {}, {0: scalar, 1: rows}, {}).num_examples == 4
    assert ModuleCall((3, rows), {}, {0: scalar}, {}).num_examples == 4
    assert ModuleCall((), {}, {0: scalar}, {}).num_examples == 1


def test_output_tensors_are_those_that_need_a_gradient():
    x = torch.zeros(2, requires_grad=True)
    found = output_tensors({"a": torch.zeros(2), "b": (x, "text"), "c": None})
    assert list(found.values()) == [x]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_recurrent_layers_in_a_second_run_of_the_model_are_exact(dtype):
    """OneDNN's LSTM of float32 does not know `torch.func`."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.matrix = nn.Parameter(torch.randn(3, 3))
            self.lstm = nn.LSTM(3, 4, batch_first=True)

        def forward(self, x):
            return self.lstm(x @ self.matrix)[0][:, -1]

    model, x = Net().to(dtype), torch.randn(5, 6, 3, dtype=dtype)
    call = ModuleCall.of((x,), {}, {0: model(x)})
    call.gradients[0] = torch.ones_like(call.outputs[0])
    parts = list(contribution_chunks(model, ["matrix"], call))
    (total,) = torch.autograd.grad(model(x).sum(), [model.matrix])
    found = torch.cat([part["matrix"] for part in parts]).sum(0)
    assert torch.allclose(found, total, rtol=1e-4 if dtype == torch.float32 else 1e-10)

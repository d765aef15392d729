"""Per-example gradients of recurrent layers, against each example run on its own."""

from itertools import combinations

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from tests.helpers.closed_form import example_gradients
from tests.vogn_app.curvature.exactness import assert_close
from vogn_app import UnsupportedLayerError
from vogn_app.curvature import recurrent
from vogn_app.curvature.functional import ModuleCall, output_tensors

N, T, IN, HIDDEN = 5, 6, 3, 4
LENGTHS = [4, 6, 1, 3, 6]

LAYERS = {
    "lstm": nn.LSTM,
    "gru": nn.GRU,
    "rnn tanh": nn.RNN,
    "rnn relu": lambda *sizes, **options: nn.RNN(
        *sizes, nonlinearity="relu", **options
    ),
    "lstm projected": lambda *sizes, **options: nn.LSTM(*sizes, proj_size=2, **options),
}
OPTIONS = {
    "plain": {},
    "batch first": {"batch_first": True},
    "without bias": {"bias": False},
    "bidirectional": {"bidirectional": True},
    "three layers": {"num_layers": 3},
    "everything": {
        "num_layers": 2,
        "bidirectional": True,
        "batch_first": True,
        "bias": False,
    },
}


@pytest.fixture(autouse=True)
def _double():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def make(layer="lstm", **options):
    return LAYERS[layer](IN, HIDDEN, **options)


def initial(module, num=N):
    """Random h_0, or (h_0, c_0) of an LSTM."""
    count = module.num_layers * (2 if module.bidirectional else 1)
    h = torch.randn(count, num, module.proj_size or HIDDEN)
    return (h, torch.randn(count, num, HIDDEN)) if module.mode == "LSTM" else h


def padded_input(module):
    x = torch.randn(T, N, IN)
    return x.transpose(0, 1) if module.batch_first else x


def packed_input(lengths=LENGTHS, is_sorted=False):
    sequences = [torch.randn(length, IN) for length in lengths]
    return pack_sequence(sequences, enforce_sorted=is_sorted)


def call_of(module, *args, missing=(), **kwargs):
    """A call and random gradients of its outputs, some of them missing."""
    outputs = output_tensors(module(*args, **kwargs))
    call = ModuleCall.of(args, kwargs, outputs)
    for place, (leaf, output) in enumerate(outputs.items()):
        if place not in missing:
            call.gradients[leaf] = torch.randn_like(output)
    return call


def names_of(module):
    return [name for name, p in module.named_parameters() if p.requires_grad]


def contributions(module, call, names=None):
    with torch.no_grad():
        names = names or names_of(module)
        parts = list(recurrent.recurrent_contributions(module, names, call))
    return {name: torch.cat([part[name] for part in parts]) for name in names}


def pull(module, call):
    """`<outputs, gradients>` of the whole call."""
    outputs = output_tensors(module(*call.args, **call.kwargs))
    return sum((outputs[i] * g).sum() for i, g in call.gradients.items())


def padded_example(module, call, i):
    """The call of example i alone."""
    x, hx = recurrent._arguments(call)
    place = slice(i, i + 1)

    def part(tensor):
        return tensor[:, place] if tensor is not None else None

    x = x[place] if module.batch_first else x[:, place]
    state = tuple(map(part, hx)) if isinstance(hx, tuple) else part(hx)
    gradients = {
        k: g[place] if k == 0 and module.batch_first else g[:, place]
        for k, g in call.gradients.items()
    }
    return ModuleCall((x, state), {}, {}, gradients)


def unpacked(packed, data):
    """Sequences of a packed tensor, in the order before packing, step by step."""
    order = packed.sorted_indices
    order = range(int(packed.batch_sizes[0])) if order is None else order.tolist()
    rows, start = {i: [] for i in order}, 0
    for size in packed.batch_sizes.tolist():
        for place, i in enumerate(list(order)[:size]):
            rows[i].append(data[start + place])
        start += size
    return [torch.stack(rows[i]) for i in sorted(rows)]


def packed_example(module, call, i):
    """The call of sequence i alone, without packing, without padding."""
    packed, hx = recurrent._arguments(call)
    axis = 0 if module.batch_first else 1
    x = unpacked(packed, packed.data)[i].unsqueeze(axis)
    gradients = {k - 3: g[:, i : i + 1] for k, g in call.gradients.items() if k}
    if 0 in call.gradients:
        gradients[0] = unpacked(packed, call.gradients[0])[i].unsqueeze(axis)
    states = hx if isinstance(hx, tuple) or hx is None else (hx,)
    state = None if states is None else tuple(s[:, i : i + 1] for s in states)
    state = state[0] if isinstance(hx, torch.Tensor) else state
    return ModuleCall((x, state), {}, {}, gradients)


def by_loop(module, call, num=N):
    packed = isinstance(recurrent._arguments(call)[0], PackedSequence)
    example = packed_example if packed else padded_example
    return example_gradients(
        module, lambda i: pull(module, example(module, call, i)), num
    )


def assert_exact(module, call, num=N):
    """Equal to the loop over examples, and adding up to autograd's gradient."""
    got = contributions(module, call)
    assert_close(got, by_loop(module, call, num))
    total = torch.autograd.grad(
        pull(module, call), [p for p in module.parameters() if p.requires_grad]
    )
    sums = {name: each.sum(0) for name, each in got.items()}
    assert_close(sums, dict(zip(names_of(module), total, strict=True)))


@pytest.mark.parametrize("state", [False, True], ids=["from zero", "from a state"])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("layer", LAYERS)
def test_each_examples_gradient(layer, options, state):
    module = make(layer, **OPTIONS[options])
    call = call_of(module, padded_input(module), *([initial(module)] if state else []))
    assert_exact(module, call)


@pytest.mark.parametrize("state", [False, True], ids=["from zero", "from a state"])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("layer", LAYERS)
def test_each_packed_sequences_gradient(layer, options, state):
    module = make(layer, **OPTIONS[options])
    call = call_of(module, packed_input(), *([initial(module)] if state else []))
    assert_exact(module, call)


def test_packed_in_order_of_length():
    module = make(bidirectional=True)
    packed = packed_input(sorted(LENGTHS, reverse=True), is_sorted=True)
    assert packed.sorted_indices is None
    assert_exact(module, call_of(module, packed, initial(module)))


SOME = [
    (layer, missing)
    for layer, outputs in (("lstm", 3), ("lstm projected", 3), ("gru", 2))
    for count in range(1, outputs)
    for missing in combinations(range(outputs), count)
]


@pytest.mark.parametrize(("layer", "missing"), SOME)
@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
def test_gradients_at_some_outputs(layer, missing, packed):
    module = make(layer, num_layers=2, bidirectional=True)
    x = packed_input() if packed else padded_input(module)
    assert_exact(module, call_of(module, x, missing=missing))


def test_no_gradient_at_any_output_is_zero():
    module = make()
    call = call_of(module, padded_input(module), missing=(0, 1, 2))
    for name, got in contributions(module, call).items():
        assert got.shape == (N, *module.get_parameter(name).shape)
        assert not got.any()


@pytest.mark.parametrize("layer", ["lstm", "gru"])
def test_arguments_by_keyword(layer):
    module = make(layer)
    call = call_of(module, input=padded_input(module), hx=initial(module))
    assert_exact(module, call)


def test_one_step_and_one_example():
    module = make("gru", bidirectional=True)
    assert_exact(module, call_of(module, torch.randn(1, 1, IN)), num=1)


def test_frozen_parameters_are_left_out():
    module = make("lstm projected", num_layers=2)
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name in {"weight_hh_l0", "bias_ih_l1", "weight_hr_l1"})
    assert_exact(module, call_of(module, padded_input(module)))


def test_shared_parameters_collect_all_their_uses():
    module = make("gru", num_layers=3)
    module.weight_hh_l2 = module.weight_hh_l0
    module.bias_hh_l1 = module.bias_ih_l1
    assert "weight_hh_l2" not in names_of(module)
    assert_exact(module, call_of(module, padded_input(module)))


@pytest.mark.parametrize("layer", ["lstm", "gru", "rnn tanh", "rnn relu"])
def test_single_precision_adds_up_to_the_native_gradient(layer):
    module = make(layer, num_layers=2).float()
    call = call_of(module, padded_input(module).float())
    total = torch.autograd.grad(pull(module, call), list(module.parameters()))
    sums = {name: each.sum(0) for name, each in contributions(module, call).items()}
    assert_close(sums, dict(zip(names_of(module), total, strict=True)), relative=1e-5)


def test_values_of_the_moment_are_used():
    module = make("gru", num_layers=2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter))
    call = call_of(module, padded_input(module))
    assert_exact(module, call)


def test_the_module_is_not_called():
    module = make()
    call = call_of(module, padded_input(module))
    module.register_forward_hook(lambda *_: pytest.fail("called"))
    contributions(module, call)
    assert all(parameter.grad is None for parameter in module.parameters())
    assert not call.args[0].requires_grad


@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("layer", ["lstm projected", "gru"])
def test_chunks_give_the_same(monkeypatch, layer, packed):
    module = make(layer, num_layers=2, bidirectional=True)
    x = packed_input() if packed else padded_input(module)
    call = call_of(module, x, initial(module))
    whole, names = contributions(module, call), names_of(module)
    each = sum(p.numel() for p in module.parameters())
    each += T * sum(len(module.get_parameter(n)) for n in names if "weight_ih" in n)
    for limit, sizes in (
        (1, [1] * N),
        (2 * each, [2, 2, 1]),
        (3 * each - 1, [2, 2, 1]),
    ):
        monkeypatch.setattr(recurrent, "CHUNK_ELEMENTS", limit)
        with torch.no_grad():
            parts = list(recurrent.recurrent_contributions(module, names, call))
        assert [len(part[names[0]]) for part in parts] == sizes
        assert_close({k: torch.cat([p[k] for p in parts]) for k in names}, whole)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
def test_half_is_computed_in_single(dtype, packed):
    module = make("gru").to(dtype)
    x = packed_input() if packed else padded_input(module)
    call = call_of(module, x.to(dtype), initial(module).to(dtype))
    got = contributions(module, call)
    assert {each.dtype for each in got.values()} == {torch.float32}
    exact = contributions(module.double(), call)
    assert_close({k: v.double() for k, v in got.items()}, exact, relative=1e-5)


def test_autocast_is_computed_in_single():
    module = make("lstm", num_layers=2).float()
    x = torch.randn(T, N, IN).float()
    with torch.autocast("cpu", torch.bfloat16):
        call = call_of(module, x)
    assert call.gradients[0].dtype == torch.bfloat16
    got = contributions(module, call)
    assert {each.dtype for each in got.values()} == {torch.float32}
    exact = contributions(module.double(), call)
    assert_close({k: v.double() for k, v in got.items()}, exact, relative=1e-5)


@pytest.mark.parametrize("layer", ["lstm", "gru", "rnn tanh"])
def test_number_of_examples(layer):
    first, second = make(layer, batch_first=True), make(layer)

    def examples(module, x):
        return recurrent.recurrent_examples(module, ModuleCall((x,), {}, {}, {}))

    assert examples(first, torch.randn(N, T, IN)) == N
    assert examples(second, torch.randn(T, N, IN)) == N
    assert examples(first, packed_input()) == N
    assert examples(second, torch.randn(T, IN)) is None


def test_unbatched_is_refused():
    module = make()
    call = call_of(module, torch.randn(T, IN))
    with pytest.raises(
        UnsupportedLayerError,
        match=r"^per-example gradients of weight_ih_l0, .* must come from an LSTM "
        r"input with an examples dimension, got one of 2 dimensions\.$",
    ):
        contributions(module, call)


def test_dropout_between_layers_is_refused():
    module = make("gru", num_layers=2, dropout=0.25)
    call = call_of(module, padded_input(module))
    with pytest.raises(
        UnsupportedLayerError,
        match=r"^per-example gradients of bias_ih_l0, bias_hh_l1 must come from GRU "
        r"without dropout between its layers, got 0\.25 in train mode: .*freeze",
    ):
        contributions(module, call, ["bias_ih_l0", "bias_hh_l1"])
    module.eval()
    assert_exact(module, call_of(module, padded_input(module)))


def test_weights_made_of_others_are_refused():
    module = parametrizations.weight_norm(make(), "weight_hh_l0")
    call = ModuleCall((torch.randn(T, N, IN),), {}, {}, {})
    with pytest.raises(
        UnsupportedLayerError, match=r"must come from the plain weights of .*freeze"
    ):
        contributions(module, call)


# --- rows of the linear maps -------------------------------------------------------


def gradients_of_rows(module, call):
    """Gradients of all parameters, as sums over the rows of their maps."""
    result = {}
    with torch.no_grad():
        for end, x, g in recurrent.recurrent_rows(module, names_of(module), call):
            assert len(x) == len(g)
            parts = {f"weight_{end}": g.T @ x, f"bias_{end}": g.sum(0)}
            for name, part in parts.items():
                result[name] = result.get(name, 0) + part
    return {name: result[name] for name in names_of(module)}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("layer", LAYERS)
def test_rows_of_all_steps_make_up_the_gradient(layer, options, packed):
    module = make(layer, **OPTIONS[options])
    x = packed_input() if packed else padded_input(module)
    call = call_of(module, x, initial(module))
    expected = torch.autograd.grad(pull(module, call), list(module.parameters()))
    got = gradients_of_rows(module, call)
    assert_close(got, dict(zip(names_of(module), expected, strict=True)))


def test_padding_is_left_out_and_chunks_change_nothing(monkeypatch):
    module = make("lstm", bidirectional=True)
    call = call_of(module, packed_input())
    whole = list(recurrent.recurrent_rows(module, names_of(module), call))
    assert [len(x) for _, x, _ in whole] == [sum(LENGTHS)] * 4
    monkeypatch.setattr(recurrent, "CHUNK_ELEMENTS", 1)
    parts = list(recurrent.recurrent_rows(module, names_of(module), call))
    assert len(parts) == N * len(whole)
    for end, x, g in whole:
        each = [(u, v) for other, u, v in parts if other == end]
        inputs, gradients = (torch.cat(rows) for rows in zip(*each, strict=True))
        assert len(inputs) == len(x)
        torch.testing.assert_close(gradients.T @ inputs, g.T @ x)
        torch.testing.assert_close(inputs.T @ inputs, x.T @ x)


def test_maps_without_wanted_parameters_give_no_rows():
    module = make("gru")
    call = call_of(module, padded_input(module))
    found = recurrent.recurrent_rows(module, ["bias_hh_l0"], call)
    assert [end for end, _, _ in found] == ["hh_l0"]


def test_rows_have_the_same_obstacles_as_contributions():
    module = make("lstm", num_layers=2, dropout=0.5)
    call = call_of(module, padded_input(module))
    with pytest.raises(UnsupportedLayerError, match="without dropout"):
        list(recurrent.recurrent_rows(module, names_of(module), call))

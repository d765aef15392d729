"""Per-example gradients of recurrent layers, against each example run on its own."""

from itertools import combinations

import pytest
import torch
from torch.nn.utils import parametrizations
from torch.nn.utils.rnn import PackedSequence

from tests.helpers.closed_form import example_gradients
from tests.vogn_app.curvature.exactness import assert_close
from tests.vogn_app.curvature.recurrent_calls import (
    IN,
    LAYERS,
    LENGTHS,
    OPTIONS,
    N,
    T,
    call_of,
    initial,
    make,
    names_of,
    packed_example,
    packed_input,
    padded_example,
    padded_input,
    pull,
)
from vogn_app import UnsupportedLayerError
from vogn_app.curvature import recurrent
from vogn_app.curvature.functional import ModuleCall


def contributions(module, call, names=None):
    with torch.no_grad():
        names = names or names_of(module)
        parts = list(recurrent.recurrent_contributions(module, names, call))
    return {name: torch.cat([part[name] for part in parts]) for name in names}


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

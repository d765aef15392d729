"""Who owns which parameter, and whether the examples come first."""

import torch
from torch import nn

from tests.vogn_app.curvature.exactness import Folded, Positions, assert_close
from vogn_app.curvature.functional import ModuleCall
from vogn_app.curvature.layers import (
    Layer,
    find_layers,
    layer_contributions,
    names_without_examples,
    promoted,
)
from vogn_app.curvature.per_example import RULES


def layers_of(model):
    return find_layers(model, dict(model.named_parameters()))


def call_of(model, *args):
    return ModuleCall.of(args, {}, {0: model(*args)})


def test_layers_with_a_rule_and_layers_without_children_are_found():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Sequential(nn.Conv1d(3, 2, 1)))
    linear, conv = layers_of(model)
    assert (linear.module, linear.rule) == (model[0], RULES[nn.Linear])
    assert linear.names == {"weight": "0.weight", "bias": "0.bias"}
    assert (conv.module, conv.rule) == (model[2][0], None)
    assert conv.names == {"weight": "2.0.weight", "bias": "2.0.bias"}


def test_only_wanted_parameters_are_named():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    (layer,) = find_layers(model, {"1.bias": model[1].bias})
    assert layer.names == {"bias": "1.bias"}


def test_bare_parameters_of_composites_and_the_inside_of_attention_are_left_out():
    class Composite(nn.Module):
        def __init__(self):
            super().__init__()
            self.token = nn.Parameter(torch.zeros(4))
            self.attention = nn.MultiheadAttention(4, 2)
            self.head = nn.Linear(4, 2)

    names = [name for layer in layers_of(Composite()) for name in layer.names.values()]
    assert names == ["head.weight", "head.bias"]


def test_a_tied_weight_keeps_its_one_name_in_every_layer():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    assert [layer.names["weight"] for layer in layers_of(model)] == ["0.weight"] * 2


def test_a_layer_without_a_rule_is_run_again():
    layer = Layer(nn.Conv1d(3, 2, 1), None, {"weight": "weight"})
    call = call_of(layer.module, torch.randn(5, 3, 4))
    call.gradients[0] = torch.ones(5, 2, 4)
    parts = list(layer_contributions(layer, call, ["weight"]))
    expected = call.args[0].sum(2)[:, None, :, None].expand(5, 2, 3, 1)
    assert_close({"weight": parts[0]["weight"]}, {"weight": expected})


def test_rules_compute_in_float32_at_least():
    half, double = torch.zeros(2, dtype=torch.bfloat16), torch.zeros(2)
    assert [x.dtype for x in promoted(half, half)] == [torch.float32] * 2
    assert [x.dtype for x in promoted(half, double)] == [torch.float64] * 2
    assert not promoted(torch.zeros(2, requires_grad=True), double)[0].requires_grad


def test_windows_folded_into_the_examples_are_told_from_them():
    model = Folded()
    found = names_without_examples(
        model, layers_of(model), call_of(model, torch.randn(5, 12))
    )
    assert found == {"inner.weight", "inner.bias"}


def test_as_many_positions_as_examples_are_told_from_them():
    model = Positions(length=5)
    tokens = torch.randint(7, (5, 5))
    found = names_without_examples(model, layers_of(model), call_of(model, tokens))
    assert found == {"position.weight"}


def test_the_experiment_leaves_no_trace():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout())
    call = call_of(model, torch.randn(5, 3))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = torch.get_rng_state()
    assert names_without_examples(model, layers_of(model), call) == set()
    assert torch.equal(state, torch.get_rng_state())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_a_model_that_cannot_run_on_one_example_more_tells_nothing():
    class Fixed(nn.Linear):
        def forward(self, x):
            return super().forward(x.view(5, 3))

    model = nn.Sequential(Fixed(3, 2))
    call = call_of(model, torch.randn(5, 3))
    assert names_without_examples(model, layers_of(model), call) == set()
    assert not any(module._forward_pre_hooks for module in model.modules())

"""Who owns which parameter, and whether the examples come first."""

import torch
from torch import nn

from vogn_app.curvature.functional import ModuleCall
from vogn_app.curvature.layers import Layer, find_layers
from vogn_app.curvature.rules import RULES


def layers_of(model):
    return find_layers(model, dict(model.named_parameters()))


def call_of(model, *args):
    return ModuleCall.of(args, {}, {0: model(*args)})


def test_layers_with_a_rule_and_layers_without_children_are_found():
    model = nn.Sequential(
        nn.Linear(2, 3), nn.ReLU(), nn.Sequential(nn.Bilinear(3, 3, 2))
    )
    linear, other = layers_of(model)
    assert (linear.module, linear.rule) == (model[0], RULES[nn.Linear])
    assert linear.names == {"weight": "0.weight", "bias": "0.bias"}
    assert (other.module, other.rule) == (model[2][0], None)
    assert other.names == {"weight": "2.0.weight", "bias": "2.0.bias"}


def test_only_wanted_parameters_are_named():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    (layer,) = find_layers(model, {"1.bias": model[1].bias})
    assert layer.names == {"bias": "1.bias"}


def test_bare_parameters_of_composites_are_left_out_and_attention_is_one_layer():
    class Composite(nn.Module):
        def __init__(self):
            super().__init__()
            self.token = nn.Parameter(torch.zeros(4))
            self.attention = nn.MultiheadAttention(4, 2)
            self.head = nn.Linear(4, 2)

    names = [name for layer in layers_of(Composite()) for name in layer.names.values()]
    assert set(names) == {
        "attention.in_proj_weight", "attention.in_proj_bias",
        "attention.out_proj.weight", "attention.out_proj.bias",
        "head.weight", "head.bias",
    }  # fmt: skip


def test_a_tied_weight_keeps_its_one_name_in_every_layer():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    assert [layer.names["weight"] for layer in layers_of(model)] == ["0.weight"] * 2


def test_labels_tell_the_rule():
    modules = {
        "linear": nn.Linear(2, 2), "multihead_attention": nn.MultiheadAttention(4, 2),
        "lstm": nn.LSTM(2, 2), "gru": nn.GRU(2, 2), "functional": nn.PReLU(),
    }  # fmt: skip
    for label, module in modules.items():
        (layer,) = layers_of(module)
        assert layer.label == label


def test_a_layer_without_a_rule_is_run_again():
    layer = Layer(nn.PReLU(3), None, {"weight": "weight"})
    call = call_of(layer.module, torch.randn(5, 3, 4))
    call.gradients[0] = torch.ones(5, 3, 4)
    assert layer.num_examples(call) == 5
    (part,) = layer.chunks_of(layer.module, ["weight"], call)
    expected = call.args[0].clamp(max=0).sum(2)
    assert torch.allclose(part["weight"], expected)


def test_a_call_whose_input_is_not_the_examples_has_none():
    layer = Layer(nn.PReLU(), None, {"weight": "weight"})
    x = torch.randn(5, 3)
    call = ModuleCall.of((x,), {}, {0: layer.module(x)[:2]})
    assert layer.num_examples(call) is None

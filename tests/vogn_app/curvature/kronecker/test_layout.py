"""Which blocks a model has: types of layers, frozen and shared parameters, shapes."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from tests.vogn_app.curvature.kronecker.reference import (
    all_close,
    captured,
    factors,
    seen,
    trained,
)
from vogn_app.curvature.kronecker.layout import blocks_of, find_watched


def kinds(model, **options):
    """Kind of each block, and the parameters in it."""
    blocks = blocks_of(find_watched(model, trained(model), **options))
    return {
        name: (block.kind, sorted({part.name for part in block.parts.values()}))
        for name, block in blocks.items()
    }


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(2))

    def forward(self, x):
        return x * self.factor


class Composite(nn.Module):
    """Owns a parameter next to a layer."""

    def __init__(self):
        super().__init__()
        self.token, self.head = nn.Parameter(torch.zeros(2)), nn.Linear(2, 2)

    def forward(self, x):
        return self.head(x + self.token)


LINEAR, CONV = "kronecker (linear)", "kronecker (convolution)"


def test_the_kind_of_block_follows_from_the_type_of_the_layer():
    model = nn.ModuleDict({
        "linear": nn.Linear(2, 2), "conv": nn.Conv3d(2, 2, 1, bias=False),
        "table": nn.Embedding(3, 2), "batch": nn.BatchNorm2d(2),
        "layer": nn.LayerNorm(2, bias=False), "rms": nn.RMSNorm(2),
        "group": nn.GroupNorm(1, 2), "slope": nn.PReLU(2), "own": Own(),
        "bilinear": nn.Bilinear(2, 2, 2), "none": nn.BatchNorm1d(2, affine=False),
    })  # fmt: skip
    assert kinds(model) == {
        "linear": (LINEAR, ["linear.bias", "linear.weight"]),
        "conv": (CONV, ["conv.weight"]),
        "table": ("kronecker (embedding)", ["table.weight"]),
        "batch": ("unit", ["batch.bias", "batch.weight"]),
        "layer": ("unit", ["layer.weight"]),
        "rms": ("unit", ["rms.weight"]),
        "group": ("unit", ["group.bias", "group.weight"]),
        "slope": ("diagonal", ["slope.weight"]),
        "own": ("diagonal", ["own.factor"]),
        "bilinear": ("diagonal", ["bilinear.bias", "bilinear.weight"]),
    }


def test_what_no_known_layer_owns_has_no_block():
    model = nn.ModuleDict({
        "composite": Composite(),
        "normed": parametrizations.weight_norm(nn.Linear(2, 2)),
        "dropout": nn.LSTM(2, 2, num_layers=2, dropout=0.5),
    })  # fmt: skip
    assert set(kinds(model)) == {"composite.head"}
    assert set(kinds(model, shape="diagonal")) == {"composite.head"}


def test_frozen_parameters_are_in_no_block():
    model = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2), nn.Linear(2, 2))
    model[0].weight.requires_grad_(False)
    model[1].bias.requires_grad_(False)
    model[2].requires_grad_(False)
    assert kinds(model) == {"0": (LINEAR, ["0.bias"]), "1": ("unit", ["1.weight"])}
    sizes = {
        k: b.sizes for k, b in blocks_of(find_watched(model, trained(model))).items()
    }
    assert sizes == {
        "0": {"inputs": (1, 1), "outputs": (1, 2)},
        "1": {"unit": (2, 1)},
    }


ATTENTION = {
    "packed": ({}, "in_proj_weight"),
    "of several sizes": ({"kdim": 3, "vdim": 5}, None),
}


@pytest.mark.parametrize("name", ATTENTION)
def test_attention_is_four_maps(name):
    options, packed = ATTENTION[name]
    model = nn.ModuleDict({"a": nn.MultiheadAttention(4, 2, **options)})
    weights = {role: f"a.{packed or f'{role}_proj_weight'}" for role in "qkv"}
    expected = {f"a.{r}": (LINEAR, ["a.in_proj_bias", weights[r]]) for r in "qkv"}
    expected["a.out"] = (LINEAR, ["a.out_proj.bias", "a.out_proj.weight"])
    assert kinds(model) == expected
    blocks = blocks_of(find_watched(model, trained(model)))
    widths = [blocks[f"a.{role}"].sizes["inputs"][1] for role in "qkv"]
    assert widths == [5, options.get("kdim", 4) + 1, options.get("vdim", 4) + 1]
    assert blocks["a.v"].parts["bias"].rows == (8, 12)


def test_a_recurrent_layer_has_a_map_for_each_pair_of_weight_and_bias():
    model = nn.ModuleDict({"r": nn.LSTM(3, 4, 2, proj_size=2, bidirectional=True)})
    ends = [
        f"{side}_l{number}{way}"
        for number in (0, 1) for way in ("", "_reverse") for side in ("ih", "hh", "hr")
    ]  # fmt: skip
    found = kinds(model)
    assert set(found) == {f"r.{end}" for end in ends}
    assert found["r.hh_l1"] == (LINEAR, ["r.bias_hh_l1", "r.weight_hh_l1"])
    assert found["r.hr_l0_reverse"] == (LINEAR, ["r.weight_hr_l0_reverse"])


@pytest.mark.parametrize(
    ("shape", "kind", "names"),
    [
        ("layer", "layer", ["0", "1", "2"]),
        ("diagonal", "diagonal", ["0", "1", "2"]),
        ("full", "layer", ["model"]),
    ],
)
def test_other_shapes_hold_all_parameters_once(shape, kind, names):
    model = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2), nn.MultiheadAttention(2, 1))
    found = kinds(model, shape=shape)
    assert list(found) == names
    assert {k for k, _ in found.values()} == {kind}
    each = [name for _, members in found.values() for name in members]
    assert sorted(each) == sorted(trained(model))


# --- shared parameters -------------------------------------------------------------


class Tied(nn.Module):
    """Layers that have a weight in common, and perhaps the bias."""

    def __init__(self, first, second, also=()):
        super().__init__()
        self.first, self.second = first, second
        for name in ("weight", *also):
            setattr(second, name, getattr(first, name))

    def forward(self, x):
        return self.second(self.first(x).tanh())


def test_layers_that_share_all_count_as_positions_of_one():
    model = Tied(nn.Linear(3, 3), nn.Linear(3, 3), ["bias"])
    assert kinds(model) == {"first": (LINEAR, ["first.bias", "first.weight"])}
    x = torch.randn(5, 3)

    def run():
        model(x).square().sum(1).mean().backward()

    calls = [*seen(model.first, run), *seen(model.second, run)]
    a, g = factors(model.first, calls, 5)
    expected = {("first", "inputs"): a, ("first", "outputs"): g}
    all_close(captured(model, run), expected)


class Atrous(nn.Module):
    """One filter at two dilations."""

    def __init__(self):
        super().__init__()
        self.near = nn.Conv2d(2, 2, 3, padding=1)
        self.far = nn.Conv2d(2, 2, 3, padding=2, dilation=2, stride=2)
        self.far.weight, self.far.bias = self.near.weight, self.near.bias

    def forward(self, x):
        return torch.cat((self.near(x).flatten(1), self.far(x).flatten(1).sin()), 1)


def test_layers_that_share_a_filter_keep_their_own_strides_and_dilation():
    model, x = Atrous(), torch.randn(4, 2, 5, 5)

    def run():
        model(x).square().sum(1).mean().backward()

    parts = [(layer, seen(layer, run)) for layer in (model.near, model.far)]
    each = [factors(layer, calls, 4) for layer, calls in parts]
    counts = [calls[0][1].shape[2:].numel() for _, calls in parts]
    shared = sum(n * a for n, (a, _) in zip(counts, each, strict=True)) / sum(counts)
    got = captured(model, run)
    expected = {
        ("near", "inputs"): shared, ("near", "outputs"): each[0][1] + each[1][1],
    }  # fmt: skip
    all_close(got, expected)


@pytest.mark.parametrize("order", ["table first", "linear first"])
def test_an_embedding_and_a_linear_layer_with_one_weight_are_diagonal(order):
    table, linear = nn.Embedding(5, 3), nn.Linear(3, 5)
    model = Tied(table, linear) if order == "table first" else Tied(linear, table)
    ((name, (kind, members)),) = kinds(model).items()
    assert (name, kind) == ("first", "diagonal")
    assert len(members) == 2


def test_layers_with_one_weight_and_two_biases_are_diagonal():
    model = Tied(nn.Linear(3, 3), nn.Linear(3, 3))
    members = ["first.bias", "first.weight", "second.bias"]
    assert kinds(model) == {"first": ("diagonal", members)}


def test_norm_layers_that_share_one_of_two_parameters_are_diagonal():
    model = Tied(nn.LayerNorm(3), nn.LayerNorm(3))
    assert kinds(model)["first"][0] == "diagonal"
    assert kinds(Tied(nn.LayerNorm(3), nn.LayerNorm(3), ["bias"]))["first"][0] == "unit"


def test_three_layers_of_which_each_shares_with_the_next_are_one_block():
    layers = nn.ModuleList([nn.Linear(3, 3) for _ in range(3)])
    layers[1].weight = layers[0].weight
    layers[2].bias = layers[1].bias
    ((_, (kind, members)),) = kinds(layers).items()
    assert kind == "diagonal"
    assert len(members) == 4


def test_attention_that_shares_a_projection_with_another_layer_is_an_error():
    attention, other = nn.MultiheadAttention(4, 2), nn.Linear(4, 4)
    other.weight = attention.out_proj.weight  # but the bias is its own
    model = nn.ModuleList([attention, other])
    with pytest.raises(
        ValueError, match=r"^params must not share the weights of atten"
    ):
        find_watched(model, trained(model))


class Activated(nn.LayerNorm):
    """A norm layer that does more, as those of timm."""

    def forward(self, x):
        return super().forward(x).relu()


def test_layers_derived_from_a_norm_are_unit_wise():
    model = nn.Sequential(nn.Linear(3, 4), Activated(4))
    watched = find_watched(model, dict(model.named_parameters()))
    assert [each.blocks[0].kind for each in watched] == ["kronecker (linear)", "unit"]

"""Which parameters a subset has."""

import pytest
import torch
from torch import nn

from vogn_app.curvature.kronecker.layout import blocks_of, find_watched
from vogn_app.optim.subsets import FULL_LIMIT, check_full, subset_of


def network():
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3),
        nn.LayerNorm(3),
    )  # fmt: skip


def named(model):
    return dict(model.named_parameters())


def test_the_last_layer_is_the_last_with_a_matrix():
    model = network()
    assert [*subset_of(model, named(model), "last_layer")] == ["3.weight", "3.bias"]
    model[3].requires_grad_(False)
    trained = {n: p for n, p in named(model).items() if p.requires_grad}
    assert [*subset_of(model, trained, "last_layer")] == ["0.weight", "0.bias"]
    alone = nn.Linear(2, 2)
    assert [*subset_of(alone, named(alone), "last_layer")] == ["weight", "bias"]


def test_all_leaves_batch_norm_out():
    model = network()
    every = set(named(model)) - {"1.weight", "1.bias"}
    assert set(subset_of(model, named(model), "all")) == every


def test_a_module_by_name_brings_what_is_in_it():
    model = nn.Sequential(network(), nn.Linear(3, 2))
    found = subset_of(model, named(model), "0")
    assert set(found) == {f"0.{i}.{k}" for i in (0, 3, 4) for k in ("weight", "bias")}
    torch.testing.assert_close(found["0.3.weight"], model[0][3].weight)


@pytest.mark.parametrize("subset", ["last_layer", "head"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_tied_weight_is_in_every_module_that_has_it(subset, bias):
    model = nn.ModuleDict({"table": nn.Embedding(5, 4), "head": nn.Linear(4, 5, bias)})
    model["head"].weight = model["table"].weight
    expected = ["table.weight"] + ["head.bias"] * bias
    assert [*subset_of(model, named(model), subset)] == expected
    model = nn.ModuleDict({"one": model["head"], "other": model["head"]})
    assert len(subset_of(model, named(model), "other")) == 1 + bias


@pytest.mark.parametrize("subset", ["head", "1", "2"])
def test_a_subset_without_parameters_is_refused(subset):
    model = network()
    with pytest.raises(ValueError, match=rf"subset must be all, .* got '{subset}'\."):
        subset_of(model, named(model), subset)


def test_a_network_without_a_matrix_has_no_last_layer():
    model = nn.LayerNorm(3)
    with pytest.raises(ValueError, match="got 'last_layer'"):
        subset_of(model, named(model), "last_layer")


def test_a_full_covariance_is_of_one_layer_that_is_not_too_large():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    watched = find_watched(model, named(model), "layer")
    with pytest.raises(ValueError, match=r"got 'full' for 2 layers\."):
        check_full(watched, blocks_of(watched))
    large = nn.Linear(FULL_LIMIT, 1)
    watched = find_watched(large, named(large), "layer")
    with pytest.raises(
        ValueError,
        match=r"structure must be .* of more than 8192 parameters, .* with 8193\.",
    ):
        check_full(watched, blocks_of(watched))

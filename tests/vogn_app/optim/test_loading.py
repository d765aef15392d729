"""What is checked of a state before anything is changed."""

import pytest
import torch
from torch import nn

from vogn_app.curvature.kronecker.layout import blocks_of, find_watched
from vogn_app.optim.loading import (
    METHOD,
    check_method,
    check_plan,
    check_shapes,
    check_sizes,
    check_statistics,
)
from vogn_app.optim.preconditioner import KroneckerPreconditioner
from vogn_app.optim.refresh import Fixed


def test_the_method_that_a_state_names_is_the_one():
    check_method("KFAC", {METHOD: "KFAC", "a": 1}, (METHOD, "a"))
    check_method("VOGN", {"a": 1}, ("a",))  # old ones do not say
    with pytest.raises(
        ValueError, match=r"^state_dict must be of a KFAC, got one of a NoisyKFAC\.$"
    ):
        check_method("KFAC", {METHOD: "NoisyKFAC"}, (METHOD, "a"))
    with pytest.raises(ValueError, match=rf"one without {METHOD}\.$"):
        check_method("KFAC", {"a": 1}, (METHOD, "a"))


def test_what_a_state_lacks_is_named():
    with pytest.raises(
        ValueError, match=r"^state_dict must be of a KFAC, got one without a, c\.$"
    ):
        check_method("KFAC", {METHOD: "KFAC", "b": 1}, (METHOD, "a", "b", "c"))


def test_the_first_setting_that_differs_is_named():
    check_plan({"a": 1, "b": "two"}, {"a": 1, "b": "two", "c": 3})
    text = r"^b must be 'two' in the state to load, got 2\.$"
    with pytest.raises(ValueError, match=text):
        check_plan({"a": 1, "b": "two", "c": 3}, {"a": 1, "b": 2, "c": 4})


def test_groups_must_have_as_many_parameters():
    groups = [{"params": [torch.zeros(1)] * 3}, {"params": [torch.zeros(1)]}]
    check_sizes(groups, {"param_groups": [{"params": [0, 1, 2]}, {"params": [3]}]})
    for sizes in ([4], [3], [1, 3], [3, 1, 1]):
        saved = {"param_groups": [{"params": list(range(n))} for n in sizes]}
        with pytest.raises(ValueError, match=r"must hold 3, 1 parameters, got ") as e:
            check_sizes(groups, saved)
        assert str(e.value).endswith(f"got {', '.join(map(str, sizes))}.")


def test_shapes_are_compared_where_there_is_a_state():
    groups = [{"params": [torch.zeros(2)]}, {"params": [torch.zeros(3)]}]
    saved = {
        "param_groups": [{"params": [0]}, {"params": [1]}],
        "state": {1: {"a": torch.zeros(3), "b": torch.zeros(4)}},
    }
    check_shapes(groups, saved, ("a",))
    with pytest.raises(
        ValueError,
        match=r"^b must have shape \(3,\) in the state to load, got \(4,\)\.$",
    ):
        check_shapes(groups, saved, ("a", "b"))


def saved(value, form="matrix"):
    return {"form": form, "value": value}


DAMAGED = {
    "factors": {":inputs": saved(torch.eye(2)[None])},
    "seen": {":inputs": [saved(torch.eye(3)[None]), saved(torch.ones(3, 3))]},
    "a layer seen": {"0:inputs": [saved(torch.eye(3)[None])]},
    "rows seen": {":inputs": [saved(torch.ones(3), "rows")]},
    "scales": {"": saved(torch.ones(1, 3, 2), "diagonal")},
    "a layer's scales": {"0": saved(torch.ones(1, 2, 3), "diagonal")},
}


def measured():
    """Blocks of a layer, when they are refreshed, and a state with their statistics."""
    model = nn.Linear(2, 2)
    preconditioner = KroneckerPreconditioner(model, factor_interval=1)
    model(torch.randn(3, 2)).square().sum(1).mean().backward()
    preconditioner.step()
    blocks = blocks_of(find_watched(model, dict(model.named_parameters())))
    return blocks, Fixed(1), preconditioner.state_dict()


@pytest.mark.parametrize("name", DAMAGED)
def test_statistics_of_another_shape_or_layer_are_refused(name):
    blocks, plan, state = measured()
    whole = state | {
        "seen": {
            ":inputs": [saved(torch.eye(3)[None]), saved(torch.ones(1, 2, 3), "rows")]
        },
        "scales": {"": saved(torch.ones(1, 2, 3), "diagonal")},
    }
    check_statistics(blocks, plan, whole)
    with pytest.raises(ValueError, match="statistics of another shape or layer: "):
        check_statistics(blocks, plan, whole | {name.split()[-1]: DAMAGED[name]})


def test_a_statistic_behind_an_inverse_has_its_shape():
    blocks, plan, whole = measured()
    whole["factors"][":inputs"]["inverted"] = saved(torch.eye(2)[None])
    with pytest.raises(ValueError, match=r"another shape or layer: :inputs\."):
        check_statistics(blocks, plan, whole)

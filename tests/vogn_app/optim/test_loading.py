"""What is checked of a state before anything is changed."""

import pytest
import torch

from vogn_app.optim.loading import METHOD, check_method, check_shapes, check_sizes


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

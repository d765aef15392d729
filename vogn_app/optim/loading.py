"""What is checked of a state to load, before anything is changed."""

from collections.abc import Iterable, Mapping
from typing import Any

METHOD = "method"  # key of a state: the optimizer that it is of


def check_method(
    method: str, state_dict: Mapping[str, Any], wanted: Iterable[str]
) -> None:
    """Check that a state to load is of an optimizer of the same kind.

    Args:
        method: Our kind.
        state_dict: The state to load; if it does not say its kind, it counts as ours
            unless `METHOD` is wanted.
        wanted: Keys that it must have.

    Raises:
        ValueError: If it is of another kind, or lacks a key.
    """
    found = state_dict.get(METHOD, method)
    if found != method:
        raise ValueError(f"state_dict must be of a {method}, got one of a {found}.")
    if missing := [key for key in wanted if key not in state_dict]:
        raise ValueError(
            f"state_dict must be of a {method}, got one without {', '.join(missing)}."
        )


def check_sizes(groups: list[dict[str, Any]], state_dict: Mapping[str, Any]) -> None:
    """Check that groups to load hold as many parameters as ours.

    Args:
        groups: The optimizer's parameter groups.
        state_dict: The state to load.

    Raises:
        ValueError: If they do not.
    """
    ours = [len(group["params"]) for group in groups]
    theirs = [len(group["params"]) for group in state_dict["param_groups"]]
    if ours != theirs:
        raise ValueError(
            f"groups of the state to load must hold {_listed(ours)} parameters, got "
            f"{_listed(theirs)}."
        )


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


def check_names(
    groups: list[dict[str, Any]], state_dict: dict[str, Any], settings: Iterable[str]
) -> None:
    """Check that groups to load have the settings and the parameters of ours.

    Args:
        groups: The optimizer's parameter groups.
        state_dict: The state to load.
        settings: Names of the settings.

    Raises:
        ValueError: If they have not; names the first difference.
    """
    for ours, theirs in zip(groups, state_dict["param_groups"], strict=False):
        missing = [n for n in settings if n in ours and n not in theirs]
        if missing:
            raise ValueError(
                f"groups of the state to load must have {', '.join(missing)}, got "
                "none: it is of another optimizer or version."
            )
        names = ours["param_names"], theirs.get("param_names")
        if names[0] != names[1]:
            raise ValueError(
                f"groups of the state to load must hold {names[0]}, got {names[1]}."
            )


def check_shapes(
    groups: list[dict[str, Any]], state_dict: dict[str, Any], keys: tuple[str, ...]
) -> None:
    """Check that a state to load has the shapes of the parameters.

    Args:
        groups: The optimizer's parameter groups.
        state_dict: The state to load.
        keys: Entries of each parameter's state that have its shape.

    Raises:
        ValueError: If a shape differs; names the first.
    """
    theirs = [i for group in state_dict["param_groups"] for i in group["params"]]
    ours = [p for group in groups for p in group["params"]]
    for parameter, index in zip(ours, theirs, strict=False):
        state = state_dict["state"].get(index, {})
        for key in keys:
            if key in state and state[key].shape != parameter.shape:
                raise ValueError(
                    f"{key} must have shape {tuple(parameter.shape)} in the state to "
                    f"load, got {tuple(state[key].shape)}."
                )

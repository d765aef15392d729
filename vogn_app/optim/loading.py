"""What is checked of a state to load, before anything is changed."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..curvature.functional import listed
from ..curvature.kronecker.blocks import Block
from .entries import entry_of
from .factors import key_text
from .refresh import RefreshPlan

METHOD = "method"  # key of a state: the optimizer that it is of
STATISTICS = (
    "num_steps", "seed", "figures", "rows", "inversion", "factors", "seen", "scales",
    "plan", "known", "stale", "next_inverse",
)  # fmt: skip


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


def check_plan(ours: Mapping[str, Any], state_dict: Mapping[str, Any]) -> None:
    """Check that a state to load was made with the same settings.

    Args:
        ours: Values by key of the state.
        state_dict: The state to load, which has these keys.

    Raises:
        ValueError: If one differs; names the first.
    """
    for name, value in ours.items():
        if state_dict[name] != value:
            raise ValueError(
                f"{name} must be {value!r} in the state to load, got "
                f"{state_dict[name]!r}."
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


def check_settings(
    groups: list[dict[str, Any]], state_dict: Mapping[str, Any], settings: Iterable[str]
) -> None:
    """Check that groups to load have the settings of ours.

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


def check_names(groups: list[dict[str, Any]], state_dict: Mapping[str, Any]) -> None:
    """Check that groups to load hold the parameters of ours.

    Args:
        groups: The optimizer's parameter groups.
        state_dict: The state to load.

    Raises:
        ValueError: If they do not; names the first difference.
    """
    for ours, theirs in zip(groups, state_dict["param_groups"], strict=False):
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


def check_statistics(
    blocks: Mapping[str, Block], plan: RefreshPlan, state: Mapping[str, Any]
) -> None:
    """Check that a preconditioner's state to load has the statistics of our blocks.

    Args:
        blocks: Ours by name.
        plan: When ours are refreshed.
        state: The state to load.

    Raises:
        ValueError: If it has others, or not all, or another rule of refreshing them.
    """
    if missing := [name for name in STATISTICS if name not in state]:
        raise ValueError(
            f"state must be of a preconditioner, got none of {', '.join(missing)}."
        )
    if state["plan"].keys() != plan.state_dict().keys():
        raise ValueError(
            "state must be of the same kind of optimizer, got one that refreshes "
            "its statistics by another rule."
        )
    if unknown := {*_unknown_moments(blocks, state), *_unknown_scales(blocks, state)}:
        raise ValueError(
            "state must be of a preconditioner of the same model and shape, got "
            f"statistics of another shape or layer: {listed(sorted(unknown))}."
        )
    known = {key_text(key) for key in state["known"]}
    if apart := known - state["factors"].keys():
        raise ValueError(
            "state must hold the statistics of all layers, got none of "
            f"{listed(sorted(apart))}: of several processes each may hold a part."
        )


def check_factors(blocks: Mapping[str, Block], saved: Mapping[str, Any]) -> None:
    """Check that saved factors are of our blocks.

    Args:
        blocks: Ours by name.
        saved: Means by `key_text`; perhaps not of all blocks.

    Raises:
        ValueError: If one is of another block or shape.
    """
    if unknown := list(_unknown(blocks, saved.items())):
        raise ValueError(
            "factors must be of the same model, subset and structure in the state to "
            f"load, got others: {listed(sorted(unknown))}."
        )


def _unknown_moments(
    blocks: Mapping[str, Block], state: Mapping[str, Any]
) -> Iterator[str]:
    return _unknown(blocks, _moments_of(state))


def _unknown(
    blocks: Mapping[str, Block], moments: Iterable[tuple[str, Mapping[str, Any]]]
) -> Iterator[str]:
    """Keys of saved statistics that are of no block of ours, or of another shape."""
    shapes = {
        key_text((name, side)): entry_of(block, side).shape
        for name, block in blocks.items()
        for side in block.sides
    }
    for text, saved in moments:
        if text not in shapes or not _fits(shapes[text], saved):
            yield text


def _moments_of(state: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Saved statistics: averages, those behind inverses, and the last."""
    for text, entry in state["factors"].items():
        yield text, entry
        if entry.get("inverted") is not None:
            yield text, entry["inverted"]
    for text, last in state["seen"].items():
        yield from ((text, saved) for saved in last)


def _fits(expected: tuple[int, ...], saved: Mapping[str, Any]) -> bool:
    """Whether a saved statistic has a shape, or rows that make one of it."""
    found = tuple(saved["value"].shape)
    if saved["form"] == "rows":  # any number of them
        return len(found) == 3 and (found[0], found[2], found[2]) == expected
    return found == expected


def _unknown_scales(
    blocks: Mapping[str, Block], state: Mapping[str, Any]
) -> Iterator[str]:
    for name, saved in state["scales"].items():
        if name not in blocks or saved["value"].shape != blocks[name].matrix_shape:
            yield f"scales of {name}"

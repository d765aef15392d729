"""The classes of somebody's own data: their names, and labels as their numbers."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_CLASSES = 10_000
MAX_LENGTH = 100  # characters of a name
_SHOWN = 5


def checked_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names of classes without the blanks around them.

    Args:
        names: As somebody wrote them.

    Raises:
        ValueError: If one is empty, too long or cannot be shown, or two are alike but
            for blanks and capitals.
    """
    trimmed = tuple(" ".join(unicodedata.normalize("NFC", n).split()) for n in names)
    seen: dict[str, str] = {}
    for name in trimmed:
        if not 0 < len(name) <= MAX_LENGTH or not name.isprintable():
            raise ValueError(
                f"a class must have a name of 1 to {MAX_LENGTH} characters that can be "
                f"printed, got {name[:MAX_LENGTH]!r}."
            )
        if name.casefold() in seen:
            raise ValueError(
                "the names of classes must differ by more than blanks and capitals, "
                f"got {seen[name.casefold()]!r} and {name!r}."
            )
        seen[name.casefold()] = name
    return trimmed


def coded_labels(
    raw: Mapping[str, NDArray[Any]], names: Sequence[str] = ()
) -> tuple[tuple[str, ...], dict[str, NDArray[np.int64]]]:
    """Name the classes, and number the labels.

    Args:
        raw: Labels of each part, whole numbers or text [N]; those of the first part
            say which classes there are.
        names: The names in label order; without them, the labels are the names, which
            may begin elsewhere than at 0 and leave numbers out.

    Returns:
        The names, and the labels of each part from 0.

    Raises:
        ValueError: If a label is none of the classes.
    """
    values = np.unique(next(iter(raw.values())))
    for number in (len(values), len(names)):
        if number > MAX_CLASSES:
            raise ValueError(
                f"labels must be of at most {MAX_CLASSES} classes, got {number}."
            )
    if names:
        values = np.arange(len(names)) if _numeric(values) else np.asarray(names)
    coded = {part: _coded(values, given) for part, given in raw.items()}
    return checked_names(names or [str(value) for value in values]), coded


def _coded(values: NDArray[Any], given: NDArray[Any]) -> NDArray[np.int64]:
    """The place of each label among the values of all classes."""
    if _numeric(values) != _numeric(given):
        raise ValueError("labels must be numbers in all parts, or text in all.")
    strange = given[~np.isin(given, values)]
    if len(strange):
        shown = ", ".join(map(str, values[:_SHOWN]))
        more = ", ..." if len(values) > _SHOWN else ""
        raise ValueError(
            f"labels must be among the {len(values)} classes {shown}{more}, got "
            f"{strange[0]!s}."
        )
    order = np.argsort(values)
    places = np.searchsorted(values, given, sorter=order)
    return order[places].astype(np.int64)


def _numeric(values: NDArray[Any]) -> bool:
    return values.dtype.kind in "biu"


def check_enough(
    counts: NDArray[np.int64], names: Sequence[str], minimum: int, what: str
) -> None:
    """Refuse data of which a class has too few examples.

    Args:
        counts: Examples of each class [C].
        names: Of the classes.
        minimum: How many each must have.
        what: What is counted, such as "training images".

    Raises:
        ValueError: If one has fewer.
    """
    if len(counts) and counts.min() < minimum:
        place = int(counts.argmin())
        raise ValueError(
            f"class {names[place]!r} must have at least {minimum} {what}, got "
            f"{counts[place]}."
        )

"""Range checks shared by all constructors: "NAME must be CONDITION, got VALUE."."""

import math


def check_number(
    name: str,
    value: float,
    *,
    minimum: float,
    maximum: float = math.inf,
    open_minimum: bool = False,
    open_maximum: bool = False,
) -> float:
    """Return a finite number in an interval as float.

    Args:
        name: The argument, for the message.
        value: What was given.
        minimum: Smallest allowed value; itself excluded when `open_minimum`.
        maximum: Largest allowed value; itself excluded when `open_maximum`.
        open_minimum: Whether `minimum` itself is excluded.
        open_maximum: Whether `maximum` itself is excluded.

    Returns:
        The value.

    Raises:
        ValueError: If the value is no finite number or is out of range.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    above = number and (value > minimum if open_minimum else value >= minimum)
    below = number and (value < maximum if open_maximum else value <= maximum)
    if not (above and below and math.isfinite(value)):
        left, right = "(["[not open_minimum], ")]"[not open_maximum]
        right = ")" if math.isinf(maximum) else right
        raise ValueError(
            f"{name} must be a finite number in {left}{minimum:g}, {maximum:g}{right}, "
            f"got {value!r}."
        )
    return float(value)


def check_positive(name: str, value: float) -> float:
    """Return a finite number > 0; ValueError names the argument."""
    return check_number(name, value, minimum=0, open_minimum=True)


def check_count(name: str, value: int) -> int:
    """Return a whole number of at least 1; ValueError names the argument."""
    return check_whole(name, value, minimum=1)


def check_whole(name: str, value: int, *, minimum: int) -> int:
    """Return a whole number of at least `minimum`; ValueError names the argument."""
    if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
        raise ValueError(f"{name} must be a whole number >= {minimum}, got {value!r}.")
    return value


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    """Return one of the choices; ValueError names the argument."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}.")
    return value

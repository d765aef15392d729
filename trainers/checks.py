"""Checks of single settings of a configuration. Torch-free."""

from typing import Any


def check_int(name: str, value: Any, minimum: int, maximum: int) -> None:
    """Refuse what is no whole number in [minimum, maximum]; ValueError."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not minimum <= value <= maximum:
        raise ValueError(
            f"{name} must be a whole number in [{minimum}, {maximum}], got {value!r}."
        )


def check_number(name: str, value: Any, minimum: float, maximum: float) -> None:
    """Refuse what is no number in [minimum, maximum]; ValueError."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not minimum <= value <= maximum:
        raise ValueError(
            f"{name} must be a number in [{minimum:g}, {maximum:g}], got {value!r}."
        )


def check_switch(name: str, value: Any) -> None:
    """Refuse what is neither true nor false; ValueError."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, got {value!r}.")


def check_text(name: str, value: Any) -> None:
    """Refuse what is no text; ValueError."""
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text, got {value!r}.")

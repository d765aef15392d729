"""Values as people type them: a comma list of words and ranges. No widgets here.

| typed | means |
|---|---|
| `1..5` | 1, 2, 3, 4, 5 |
| `0..1 step 0.25` | 0, 0.25, 0.5, 0.75, 1 |
| `0.1..0.5 3` | three values, evenly apart |
| `0.001..0.1 log 3` | three values, each by the same factor: 0.001, 0.01, 0.1 |

Numbers are reckoned exactly, not as floats: a range has the values that it says.
"""

import math
import re
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

from trainers.sweep import MAX_CONFIGS

HOW = "1..5, 0..1 step 0.25, 0.1..0.5 3 or 0.001..0.1 log 5"
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(
    rf"({_NUMBER})\s*\.\.\s*({_NUMBER})(?:\s+(?:(log|step)\s*)?({_NUMBER}))?"
)
_LIKE_A_RANGE = re.compile(rf"{_NUMBER}\s*\.\.|\.\.\s*{_NUMBER}")
_MAX_LENGTH = 40  # characters of a number
_LARGEST = 1e300  # beyond it, and below one by it, floats soon come to an end
_DIGITS = range(4, 16)  # of a value that nobody typed; 15 are what any float keeps
_NEAR = Fraction(1, 1000)  # of the way to its neighbour, by which a value may be off
_LONG_WHOLE = 10**16  # from which floats leave out whole numbers
_PRECISION = 60  # digits with which logarithms are taken


def expanded(text: str, *, whole: bool = False) -> list[str]:
    """The values of a comma list, its ranges written out.

    Args:
        text: As it was typed.
        whole: Whether only whole numbers will do: a range is rounded to them.

    Returns:
        The values as words, in their order; ranges give none twice.

    Raises:
        ValueError: If a range is none.
    """
    words = [part.strip() for part in text.split(",") if part.strip()]
    return [value for word in words for value in _values(word, whole)]


def _values(word: str, whole: bool) -> list[str]:
    if not _LIKE_A_RANGE.match(word):
        return [word]
    match = _RANGE.fullmatch(word)
    if match is None:
        raise ValueError(f"a range is written like {HOW}, got {_cut(word)!r}.")
    first, last = _number(match[1]), _number(match[2])
    kind, amount = match[3] or "", match[4]
    decimals = not (first.denominator == last.denominator == 1)
    if whole and decimals:
        raise ValueError(
            f"a range of whole numbers must have whole ends, got {_cut(word)!r}."
        )
    if amount is None and decimals:
        raise ValueError(
            f"a range with decimals needs how many values, such as {word} 5, or a "
            f"step, such as {word} step 0.1; got {_cut(word)!r}."
        )
    number = _number(amount or "1")
    if amount is None or kind == "step":
        values = _stepped(first, last, number, word)
        return _written(values, word, whole=whole, rounded=False)
    count = _count(number, word)
    if kind == "log":
        values = _by_factors(first, last, count, word)
    else:
        values = [first + (last - first) * k / (count - 1) for k in range(count)]
    return _written(values, word, whole=whole, rounded=True)


def _number(text: str) -> Fraction:
    """A number as it was typed, exactly.

    Raises:
        ValueError: If it is too long or too large to reckon with.
    """
    if len(text) > _MAX_LENGTH:
        raise ValueError(
            f"a number of a range must have at most {_MAX_LENGTH} characters, got "
            f"{_cut(text)!r}."
        )
    # Looked at before it becomes a fraction, which would hold every zero of 1e999999.
    size = abs(float(text))
    if size == 0 and not Decimal(text):
        return Fraction(0)
    if not 1 / _LARGEST <= size <= _LARGEST:
        raise ValueError(
            f"a number of a range must be 0, or from {1 / _LARGEST:g} to {_LARGEST:g} "
            f"in size, got {text!r}."
        )
    return Fraction(Decimal(text))


def _stepped(
    first: Fraction, last: Fraction, step: Fraction, word: str
) -> list[Fraction]:
    if step <= 0:
        raise ValueError(f"the step of a range must be > 0, got {_cut(word)!r}.")
    steps = math.floor(abs(last - first) / step)
    count = _count(Fraction(steps + 1), word, least=1)
    sign = 1 if last >= first else -1
    return [first + sign * step * k for k in range(count)]


def _by_factors(
    first: Fraction, last: Fraction, count: int, word: str
) -> list[Fraction]:
    if min(first, last) <= 0:
        raise ValueError(
            f"a range by factors must be of numbers > 0, got {_cut(word)!r}."
        )
    with localcontext(prec=_PRECISION):
        low, high = (
            (Decimal(end.numerator) / Decimal(end.denominator)).ln()
            for end in (first, last)
        )
        inner = [
            Fraction((low + (high - low) * k / (count - 1)).exp())
            for k in range(1, count - 1)
        ]
    return [first, *inner, last]


def _count(count: Fraction, word: str, least: int = 2) -> int:
    if count.denominator != 1 or not least <= count <= MAX_CONFIGS:
        raise ValueError(
            f"a range must have {least} to {MAX_CONFIGS} values, got {_cut(word)!r}."
        )
    return int(count)


def _written(
    values: list[Fraction], word: str, *, whole: bool, rounded: bool
) -> list[str]:
    """Values as words, none twice.

    Args:
        values: In their order.
        word: The range that they are of.
        whole: Whether they become whole numbers, halves upwards.
        rounded: Whether those between the ends get no more digits than tell them from
            each other; a step says itself how many there are.

    Raises:
        ValueError: If words of 15 digits do not tell them from each other.
    """
    if whole:
        halves_upwards = (math.floor(value + Fraction(1, 2)) for value in values)
        return list(dict.fromkeys(map(str, halves_upwards)))
    if values[0] == values[-1]:
        return [_shown(values[0])]
    for digits in _DIGITS if rounded else [None]:
        inner = [_shown(value, digits) for value in values[1:-1]]
        words = [_shown(values[0]), *inner, _shown(values[-1])]
        if _are_near(words, values):
            return words
    raise ValueError(
        f"a range must have values that {_DIGITS[-1]} digits tell apart, got "
        f"{_cut(word)!r}."
    )


def _are_near(words: list[str], values: list[Fraction]) -> bool:
    """Whether words are close to their values, and none between the ends beyond."""
    shown = [Fraction(word) for word in words]
    low, high = sorted((values[0], values[-1]))
    if not all(low <= each <= high for each in shown[1:-1]):
        return False
    gaps = [abs(after - before) for before, after in pairwise(values)]
    return all(
        abs(each - value) <= _NEAR * min(left, right)
        for each, value, left, right in zip(
            shown, values, [gaps[0], *gaps], [*gaps, gaps[-1]], strict=True
        )
    )


def _shown(value: Fraction, digits: int | None = None) -> str:
    """A number as a word: with so many digits, or the fewest that make its float."""
    if value.denominator != 1 or digits is not None:
        text = f"{float(value):.{digits}g}" if digits else repr(float(value))
        value = Fraction(text)
    if value.denominator == 1 and abs(value) < _LONG_WHOLE:
        return str(value.numerator)
    return f"{float(value):.{_DIGITS[-1]}g}" if digits else repr(float(value))


def _cut(word: str) -> str:
    return word[: 3 * _MAX_LENGTH]

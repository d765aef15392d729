"""Values as people type them: a comma list of words and ranges. No widgets here.

| typed | means |
|---|---|
| `1..5` | 1, 2, 3, 4, 5 |
| `0..1 step 0.25` | 0, 0.25, 0.5, 0.75, 1 |
| `0.1..0.5 3` | three values, evenly apart |
| `0.001..0.1 log 3` | three values, each by the same factor: 0.001, 0.01, 0.1 |
"""

import math
import re
from collections.abc import Callable, Iterator

from trainers.sweep import MAX_CONFIGS

HOW = "1..5, 0..1 step 0.25, 0.1..0.5 3 or 0.001..0.1 log 5"
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(
    rf"({_NUMBER})\s*\.\.\s*({_NUMBER})(?:\s+(?:(log|step)\s*)?({_NUMBER}))?"
)
_LIKE_A_RANGE = re.compile(rf"{_NUMBER}\s*\.\.|\.\.\s*{_NUMBER}")
_CLOSE = 1e-9  # of a step, by which sums of decimals may miss


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
        raise ValueError(f"a range is written like {HOW}, got {word!r}.")
    first, last = float(match[1]), float(match[2])
    numbers = _numbers(first, last, match[3] or "", match[4], word)
    rounded = (_word(each, whole, first, last) for each in numbers)
    return list(dict.fromkeys(rounded))


def _numbers(
    first: float, last: float, kind: str, amount: str | None, word: str
) -> Iterator[float]:
    if amount is None and not (first.is_integer() and last.is_integer()):
        raise ValueError(
            f"a range with decimals needs how many values, such as {word} 5, or a "
            f"step, such as {word} step 0.1; got {word!r}."
        )
    if amount is None or kind == "step":
        return _stepped(first, last, float(amount or 1), word)
    count = _count(float(amount), word)
    if kind == "log":
        if min(first, last) <= 0:
            raise ValueError(
                f"a range by factors must be of numbers > 0, got {word!r}."
            )
        return _spread(math.log(first), math.log(last), count, math.exp)
    return _spread(first, last, count)


def _stepped(first: float, last: float, step: float, word: str) -> Iterator[float]:
    if step <= 0:
        raise ValueError(f"the step of a range must be > 0, got {word!r}.")
    count = _count(math.floor(abs(last - first) / step + _CLOSE) + 1, word, least=1)
    sign = 1 if last >= first else -1
    return (first + sign * step * k for k in range(count))


def _spread(
    first: float, last: float, count: int, back: Callable[[float], float] = float
) -> Iterator[float]:
    return (back(first + (last - first) * k / (count - 1)) for k in range(count))


def _count(count: float, word: str, least: int = 2) -> int:
    if not count == int(count) or not least <= count <= MAX_CONFIGS:
        raise ValueError(
            f"a range must have {least} to {MAX_CONFIGS} values, got {word!r}."
        )
    return int(count)


def _word(value: float, whole: bool, first: float, last: float) -> str:
    """A number of a range: four digits, its ends as they are."""
    for end in (first, last):
        if math.isclose(value, end, rel_tol=_CLOSE, abs_tol=1e-300):
            value = end
    if whole or math.isclose(value, round(value), rel_tol=_CLOSE):
        return str(round(value))
    return f"{value:.10g}" if value in (first, last) else f"{value:.4g}"

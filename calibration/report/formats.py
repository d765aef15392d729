"""Numbers as a reader of the report sees them, the same in every format."""

import re
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

MISSING = "-"
# Not digits behind a point, nor a part of a word.
_LONG = re.compile(r"(?<![\w.,])\d{4,15}(?![\w,]|\.\d)")
_UNIT = re.compile(r"(?<=\d) (?=%|nats\b|points\b)")


def rounded(value: float, digits: int) -> str:
    """A number with a fixed count of decimals, and no negative zero."""
    # 100 * (1 - 0.8775) is a little more than 12.25 and 100 * 0.1225 is not: the same
    # number must not be 12.3 here and 12.2 there. Halves go up.
    exact = Decimal(f"{value:.12g}")
    text = f"{exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP):f}"
    return text.removeprefix("-") if float(text) == 0 else text


def signed(value: float, digits: int) -> str:
    """The same with its sign, where it has one."""
    text = rounded(value, digits)
    return text if text.startswith("-") or float(text) == 0 else f"+{text}"


def percent(value: float, digits: int = 1) -> str:
    """A fraction as a percentage, `0.9724` -> `97.2 %`.

    Rounding alone makes neither 100 % nor 0 % of it: almost all is `over 99.9 %`.
    """
    shown = rounded(100 * value, digits)
    if float(shown) == 100 and value < 1:
        return f"over {rounded(100 - 10**-digits, digits)} %"
    if float(shown) == 0 and value > 0:
        return f"under {rounded(10**-digits, digits)} %"
    return f"{shown} %"


def compact(value: float) -> str:
    """A number with three significant digits, or whole with its thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def count(value: int) -> str:
    """A whole number with its thousands apart."""
    return f"{value:,}"


def counted(value: int, noun: str) -> str:
    """A number of things, `2, "model"` -> `2 models`."""
    many = f"{noun}s"
    if noun.endswith("ty"):
        many = f"{noun[:-1]}ies"
    elif noun.endswith("ss"):
        many = f"{noun}es"
    return f"{count(value)} {noun if value == 1 else many}"


def grouped(text: str) -> str:
    """A text whose long whole numbers have their thousands apart."""
    return _LONG.sub(lambda found: count(int(found[0])), text)


def shortened(text: str, length: int) -> str:
    """A text with its middle left out where it is longer than `length`."""
    if len(text) <= length:
        return text
    kept = length - 1
    return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"


def listed(items: list[str]) -> str:
    """Words as in a sentence, `["a", "b", "c"]` -> `a, b and c`."""
    return " and ".join(part for part in (", ".join(items[:-1]), *items[-1:]) if part)


def sentence(text: str) -> str:
    """A text that begins with a capital letter and ends with a full stop."""
    text = text.strip()
    ending = "" if not text or text[-1] in ".!?" else "."
    return f"{text[:1].upper()}{text[1:]}{ending}"


def moment(created: str) -> str:
    """An ISO time as `22 November 2026, 01:58 UTC`; unchanged if it is none."""
    try:
        time = datetime.fromisoformat(created)
    except ValueError:
        return created
    return f"{time.day} {time:%B %Y, %H:%M %Z}".strip()


def words(name: str) -> str:
    """A name of the code as a label, `gaussian_noise` -> `Gaussian noise`."""
    text = name.replace("_", " ").strip()
    return f"{text[:1].upper()}{text[1:]}"


def unbroken(text: str) -> str:
    """A text whose numbers stay on one line with their units."""
    return _UNIT.sub("\u00a0", text)

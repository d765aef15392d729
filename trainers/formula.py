"""What a method is in formulas and in words: torch-free data.

`trainers.formulas` has it for every optimizer.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Symbol:
    """A letter of a formula.

    Args:
        letter: In LaTeX.
        meaning: What it stands for.
        hyperparameter: Which one it is, "" if none.
    """

    letter: str
    meaning: str
    hyperparameter: str = ""


@dataclass(frozen=True, kw_only=True)
class Formula:
    """A method in formulas and in words.

    Args:
        lines: Equations in LaTeX, in the order in which they are computed.
        symbols: Every letter in them.
        good_for: When to take it.
        less_for: When rather to take another.
        limits: What it is known not to do.
        code: Where it is implemented.
    """

    lines: tuple[str, ...]
    symbols: tuple[Symbol, ...]
    good_for: tuple[str, ...]
    less_for: tuple[str, ...]
    limits: tuple[str, ...]
    code: str


# What most of them share.
LR = Symbol(r"\eta", "learning rate", "lr")
BETA = Symbol(r"\beta", "weight of the past", "momentum")
THETA = Symbol(r"\theta", "the weights")
GRADIENT = Symbol("g", "gradient of the mean loss over the batch")

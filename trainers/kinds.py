"""Kinds of optimizers: what each gives and what it costs, to choose from many.

Torch-free. A spec says with `family` to which of them it belongs.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from trainers.catalogue import OPTIMIZERS
from trainers.hyperparameters import OptimizerSpec


@dataclass(frozen=True, kw_only=True)
class KindOfMethod:
    """A kind of optimizers.

    Args:
        name: As `OptimizerSpec.family` has it.
        title: Name for people.
        gives: What one gets from it, in a few words.
        costs: What it takes, in a few words.
    """

    name: str
    title: str
    gives: str
    costs: str


_KINDS = (
    KindOfMethod(
        name="variational",
        title="Variational",
        gives="a Gaussian over the weights, or noise in them, learnt while training",
        costs="one training, a little to a few times dearer a step; a prediction "
        "averages many draws",
    ),
    KindOfMethod(
        name="sampling",
        title="Sampling",
        gives="weights visited by a noisy walk, which stand for the posterior itself",
        costs="one training, and a longer one than others want; a prediction averages "
        "the weights kept",
    ),
    KindOfMethod(
        name="ensembles",
        title="Ensembles",
        gives="several networks that disagree where they do not know; hard to beat",
        costs="training, memory and prediction times the number of networks; snapshots "
        "share one training",
    ),
    KindOfMethod(
        name="post_hoc",
        title="Post hoc",
        gives="a Gaussian put around a network that was trained the ordinary way",
        costs="an ordinary training and a little after it; a prediction averages many "
        "draws",
    ),
    KindOfMethod(
        name="natural",
        title="Natural gradient",
        gives="one set of weights in fewer steps, the more so the larger the batch",
        costs="dearer steps and memory for the curvature; one pass a prediction",
    ),
    KindOfMethod(
        name="first_order",
        title="First order",
        gives="one set of weights: the baselines that everybody knows",
        costs="the cheapest steps; one pass a prediction",
    ),
)
KINDS: dict[str, KindOfMethod] = {kind.name: kind for kind in _KINDS}


def by_kind(names: Iterable[str] | None = None) -> dict[str, list[OptimizerSpec]]:
    """Optimizers by kind, kinds and optimizers in their order; no kind is empty.

    Args:
        names: Which optimizers; all of them by default.

    Returns:
        Specs by the name of their kind.
    """
    wanted = set(OPTIMIZERS if names is None else names)
    found = {
        name: [
            spec
            for spec in OPTIMIZERS.values()
            if spec.family == name and spec.name in wanted
        ]
        for name in KINDS
    }
    return {name: specs for name, specs in found.items() if specs}


def in_order(names: Iterable[str]) -> list[str]:
    """Names of optimizers, those of a kind beside one another."""
    return [spec.name for specs in by_kind(names).values() for spec in specs]


def kind_of(name: str) -> KindOfMethod:
    """The kind of an optimizer."""
    return KINDS[OPTIMIZERS[name].family]


def bayesian_examples() -> str:
    """Some optimizers with a posterior, one of each kind, "VOGN or Five networks"."""
    firsts = [
        next((spec.title for spec in specs if spec.bayesian), "")
        for specs in by_kind().values()
    ]
    *others, last = [title for title in firsts if title]
    return f"{', '.join(others)} or {last}" if others else last

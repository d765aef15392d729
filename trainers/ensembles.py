"""Ensembles of networks that are trained in one run: torch-free data.

`trainers.catalogue` has them among the other optimizers.
"""

from trainers.first_order import ADAMW
from trainers.hyperparameters import HyperParameter, OptimizerSpec
from trainers.natural import VOGN

MAX_MEMBERS = 100
MEMBERS = "members"  # the hyper-parameter


def _members(default: int) -> HyperParameter:
    return HyperParameter(
        name=MEMBERS, kind="int", default=default, minimum=1, maximum=MAX_MEMBERS,
        unit="networks", help="Networks, each with initial weights and an order of "
        "batches of its own; time and memory grow with them. All of them predict, "
        "however few weight samples are asked for.",
    )  # fmt: skip


def member_seeds(seed: int, num_members: int) -> list[int]:
    """Seeds of an ensemble's members: no two ensembles of a size share a member.

    Args:
        seed: Seed of the run.
        num_members: M.

    Returns:
        0 to M - 1 for seed 0, M to 2 M - 1 for seed 1, and so on.
    """
    return [num_members * seed + member for member in range(num_members)]


ENSEMBLE = OptimizerSpec(
    name="ensemble",
    title="Deep ensemble",
    summary="Several networks, trained by AdamW from different beginnings, whose "
    "probabilities are averaged: hard to beat, at as many times the cost.",
    paper="Lakshminarayanan et al. (2017), Simple and Scalable Predictive Uncertainty "
    "Estimation using Deep Ensembles, arXiv:1612.01474",
    bayesian=True,
    family="ensembles",
    draws=MEMBERS,
    hyperparameters=(_members(5), *ADAMW.hyperparameters),
)

MULTI_VOGN = OptimizerSpec(
    name="multi_vogn",
    title="Multi-VOGN",
    summary="A mixture of several VOGN posteriors: each tells how sure it is where it "
    "is, together they tell of other explanations of the data.",
    paper="Osawa et al. (2019), arXiv:1906.02506; Wilson and Izmailov (2020), Bayesian "
    "Deep Learning and a Probabilistic Perspective of Generalization, arXiv:2002.08791",
    bayesian=True,
    family="ensembles",
    damped_by=VOGN.damped_by,
    components=MEMBERS,
    hyperparameters=(
        _members(5),
        *(each for each in VOGN.hyperparameters if each.name != "sampled"),
    ),
)

"""Optimizers that keep weights they come by: Monte Carlo chains and snapshots.

Torch-free data; `trainers.catalogue` has them among the others.
"""

from dataclasses import replace

from trainers.first_order import SGD
from trainers.hyperparameters import (
    AUTO,
    VELOCITY,
    HyperParameter,
    OptimizerSpec,
    learning_rate,
)
from trainers.natural import VOGN

# Steps below which an automatic number of cycles of SNAPSHOT is smaller: the library's.
SHORTEST_CYCLE = 100
_OF_VOGN = {item.name: item for item in VOGN.hyperparameters}
_OF_SGD = {item.name: item for item in SGD.hyperparameters}


def _cycles(automatic: str, help_text: str) -> HyperParameter:
    return HyperParameter(
        name="cycles", kind="int", default=AUTO, minimum=1, maximum=1000,
        automatic=automatic, help=help_text,
    )  # fmt: skip


_LR_HELP = "Learning rate at the start of each cycle, whatever the schedule of the run."

# What chains share.
_CHAIN = (
    _OF_VOGN["prior_precision"],
    HyperParameter(
        name="temperature", kind="float", default=1.0, minimum=0.0, maximum=100.0,
        help="1 is Bayes' posterior; below 1 gives a colder, narrower one.",
    ),
    _cycles(
        "4, of 2000 steps or more",
        "How often the learning rate starts anew, to visit another mode.",
    ),
    HyperParameter(
        name="exploration", kind="float", default=0.8, minimum=0.0, maximum=1.0,
        open_maximum=True, help="Share of a cycle before its noise begins.",
    ),
    HyperParameter(
        name="num_kept", kind="int", default=20, minimum=1, maximum=1000,
        unit="weights", help="Weights that are kept over all cycles, to predict with: "
        "memory and time of a prediction grow with them.",
    ),
    HyperParameter(
        name="annealed", kind="bool", default=True,
        help="Whether the learning rate falls to 0 in each cycle, or is constant.",
    ),
    _OF_VOGN["augmentation_factor"],
)  # fmt: skip

SGLD = OptimizerSpec(
    name="sgld",
    title="SGLD",
    family="sampling",
    own_schedule=True,
    draws="num_kept",
    summary="Langevin dynamics: gradient steps with just the noise that makes the "
    "weights wander through their posterior; some of them predict together.",
    paper="Welling and Teh (2011), Bayesian Learning via Stochastic Gradient Langevin "
    "Dynamics; Zhang et al. (2020), Cyclical Stochastic Gradient MCMC for Bayesian "
    "Deep Learning, arXiv:1902.03932",
    bayesian=True,
    hyperparameters=(learning_rate(0.2, _LR_HELP), *_CHAIN),
)

SGHMC = OptimizerSpec(
    name="sghmc",
    title="SGHMC",
    family="sampling",
    own_schedule=True,
    draws="num_kept",
    summary="Hamiltonian Monte Carlo: as SGLD, with a velocity that carries the walk "
    "further; some of the weights it passes predict together.",
    paper="Chen et al. (2014), Stochastic Gradient Hamiltonian Monte Carlo, "
    "arXiv:1402.4102; Zhang et al. (2020), Cyclical Stochastic Gradient MCMC for "
    "Bayesian Deep Learning, arXiv:1902.03932",
    bayesian=True,
    hyperparameters=(
        learning_rate(0.05, _LR_HELP),
        replace(VELOCITY, help="Weight of the past velocity; its complement to 1 is "
                "the friction."),
        *_CHAIN,
    ),
)  # fmt: skip

SNAPSHOT = OptimizerSpec(
    name="snapshot",
    title="Snapshot ensemble",
    family="ensembles",
    own_schedule=True,
    draws="cycles",
    summary="SGD whose learning rate starts anew in cycles: the networks at their ends "
    "predict together, for the price of one training.",
    paper="Huang et al. (2017), Snapshot Ensembles: Train 1, get M for free, "
    "arXiv:1704.00109",
    bayesian=True,
    hyperparameters=(
        learning_rate(0.05, _LR_HELP),
        _cycles(
            f"5, of {SHORTEST_CYCLE} steps or more",
            "Cycles of the learning rate, and so networks that are kept.",
        ),
        VELOCITY,
        _OF_SGD["weight_decay"],
        _OF_SGD["nesterov"],
    ),
)

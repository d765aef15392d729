"""Optimizers whose posterior is put together as training goes on: torch-free data.

`trainers.catalogue` has them among the others.
"""

from dataclasses import replace

from trainers.first_order import ADAMW, SGD
from trainers.hyperparameters import (
    AUTO,
    VELOCITY,
    HyperParameter,
    OptimizerSpec,
    learning_rate,
)

# What those that are SGD but for their schedule share.
_SGD_LR, _L2 = (
    next(each for each in SGD.hyperparameters if each.name == name)
    for name in ("lr", "weight_decay")
)

SWAG = OptimizerSpec(
    name="swag",
    title="SWAG",
    family="post_hoc",
    own_schedule=True,
    summary="SGD that wanders around its solution at the end: the average of what it "
    "passes, and a Gaussian around it, at the cost of SGD.",
    paper="Maddox et al. (2019), A Simple Baseline for Bayesian Uncertainty in Deep "
    "Learning, arXiv:1902.02476",
    bayesian=True,
    hyperparameters=(
        replace(_SGD_LR, help="Learning rate of the beginning; the schedule is SWAG's "
                "own."),
        HyperParameter(
            name="tail_lr", kind="float", default=0.2, minimum=0.0, open_minimum=True,
            maximum=1.0, unit="share", help="Share of the learning rate while weights "
            "are collected: larger gives a wider posterior.",
        ),
        HyperParameter(
            name="start", kind="float", default=0.75, minimum=0.0, maximum=1.0,
            open_maximum=True, help="Share of the steps before weights are collected.",
        ),
        VELOCITY,
        _L2,
        HyperParameter(
            name="max_rank", kind="int", default=20, minimum=2, maximum=1000,
            unit="weights", help="Deviations from the average that are kept: so many "
            "copies of the weights.",
        ),
        HyperParameter(
            name="interval", kind="int", default=AUTO, minimum=1, maximum=1_000_000,
            unit="steps", automatic="as many collections as max_rank, or up to twice",
            help="Steps from one collection to the next.",
        ),
        HyperParameter(
            name="scale", kind="float", default=1.0, minimum=0.0, open_minimum=True,
            maximum=100.0, help="Factor of the covariance when predicting.",
        ),
    ),
)  # fmt: skip

MC_DROPOUT = OptimizerSpec(
    name="mc_dropout",
    title="MC-dropout",
    family="variational",
    summary="AdamW with dropout that stays when predicting: each draw lacks some of "
    "the hidden units.",
    paper="Gal and Ghahramani (2016), Dropout as a Bayesian Approximation, "
    "arXiv:1506.02142",
    bayesian=True,
    hyperparameters=(
        learning_rate(1e-3, "Learning rate of AdamW."),
        HyperParameter(
            name="rate", kind="float", default=0.3, minimum=0.0, maximum=1.0,
            open_minimum=True, open_maximum=True,
            help="Probability that an input of a dense layer is dropped; the first "
            "such layer has none.",
        ),
        *ADAMW.hyperparameters[1:],
    ),
)  # fmt: skip

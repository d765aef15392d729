"""Hyper-parameters for tests: each one other than its default."""

from typing import Any

from trainers.catalogue import OPTIMIZERS
from trainers.ensembles import MEMBERS
from trainers.hyperparameters import HyperParameter, OptimizerSpec
from trainers.parcel.settings import MAKERS

OURS = tuple(name for name in OPTIMIZERS if MAKERS[name].ours)
# Of each kind one: their examples run where there is torch alone, those of others here.
ALONE = ("vogn", "kfac", "swag", "ensemble")


def others(spec: OptimizerSpec) -> dict[str, Any]:
    """A valid value for every hyper-parameter that is not its default."""
    # Without draws other settings of VOGN would have no effect.
    return {
        item.name: _other(item)
        for item in spec.hyperparameters
        if item.name != "sampled"
    }


def _other(item: HyperParameter) -> Any:
    if item.name == MEMBERS:
        return 2
    if item.kind == "bool":
        return not item.default
    if item.kind == "choice":
        return next(each for each in item.choices if each != item.default)
    if item.automatic:
        return 3 if item.kind == "int" else 0.75
    if item.kind == "int":
        return int(item.default) + 1
    return 0.25 if item.default == 0 else float(item.default) / 2

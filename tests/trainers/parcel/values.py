"""Hyper-parameters for tests: each one other than its default."""

from typing import Any

from trainers.hyperparameters import HyperParameter, OptimizerSpec

OURS = ("vogn", "kfac", "noisy_kfac", "sp_ngd")


def others(spec: OptimizerSpec) -> dict[str, Any]:
    """A valid value for every hyper-parameter that is not its default."""
    # Without draws other settings of VOGN would have no effect.
    return {
        item.name: _other(item)
        for item in spec.hyperparameters
        if item.name != "sampled"
    }


def _other(item: HyperParameter) -> Any:
    if item.kind == "bool":
        return not item.default
    if item.kind == "choice":
        return next(each for each in item.choices if each != item.default)
    if item.kind == "int":
        return int(item.default) + 1
    if item.automatic:
        return 0.75
    return 0.25 if item.default == 0 else float(item.default) / 2

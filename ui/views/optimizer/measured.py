"""The rows that the benchmarks left in `benchmarks/results`, as the page wants them.

Pure reading: what a file does not have is not there, and the page says so.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from trainers.catalogue import OPTIMIZERS
from trainers.runs import RunError

RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results"

Row = dict[str, Any]

# Files of step costs: of two that have a row the first one counts.
STEP_COST = ("step_cost", "second_order_cost", "variational_cost")
QUALITY, LARGE_BATCH = "quality", "large_batch"
COMMANDS = {
    "step_cost": "python benchmarks/step_cost.py",
    "second_order_cost": "python benchmarks/step_cost.py --only mlp resnet20 --methods "
    "sgd kfac kfac_every_step kfac_no_history sp_ngd sp_ngd_no_history",
    "variational_cost": "python -m benchmarks.step_cost --only mlp lenet5 resnet20 "
    "--methods adamw ivon vadam vogn vogn_interval_10 ivon_opt",
    QUALITY: "python benchmarks/quality.py",
    LARGE_BATCH: "python benchmarks/large_batch.py",
}
NETWORKS = {
    "mlp": "MLP, batch 128",
    "lenet5": "LeNet-5, batch 128",
    "resnet20": "ResNet-20, batch 64",
    "vit": "ViT-tiny, batch 64",
}
_TITLES = {
    "vogn_interval_10": "VOGN, curvature_interval=10",
    "kfac_every_step": "K-FAC, factor_interval=1",
    "kfac_no_history": "K-FAC, factor_decay=0",
    "sp_ngd_no_history": "SP-NGD, factor_decay=0",
}
# Other programs of a method that is here: no settings of it.
_PEERS = {"ivon_opt": "IVON (its authors' package)"}
_TASK = ("fashion-mnist", "lenet5")


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A mean with the smallest and the largest value behind it."""

    mean: float
    low: float
    high: float
    count: int


def title(method: str) -> str:
    """What people call a method of the benchmarks."""
    if method in OPTIMIZERS:
        return OPTIMIZERS[method].title
    return (_TITLES | _PEERS).get(method, method)


def rows(name: str, folder: Path = RESULTS) -> list[Row]:
    """The rows of a file of results.

    Args:
        name: Its name without the suffix.
        folder: Where it is.

    Returns:
        The rows; none if there is no such file, as in an installed copy.

    Raises:
        RunError: If the file is damaged.
    """
    path = folder / f"{name}.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise RunError(f"{path.name} cannot be read: {error}") from None
    if not isinstance(content, list) or not all(isinstance(r, dict) for r in content):
        raise RunError(f"{path.name} is no list of rows.")
    return content


def machine(name: str, folder: Path = RESULTS) -> str:
    """Versions and machine, the first line of what was printed; "" if unkept."""
    try:
        text = (folder / f"{name}.txt").read_text(encoding="utf-8")
    except OSError:
        return ""
    first = text.partition("\n")[0]
    return first if first.startswith("vogn-app ") else ""


def step_costs(method: str, folder: Path = RESULTS) -> tuple[list[Row], list[str]]:
    """What a step of a method costs, and of the method with other settings.

    Args:
        method: Name of an optimizer.
        folder: Where the results are.

    Returns:
        Rows with network, method, ratio (to AdamW's), ratio_low, ratio_high,
        milliseconds and extra_mib; and the files that they are from.
    """
    found: dict[tuple[str, str], Row] = {}
    files: dict[str, None] = {}
    for name in STEP_COST:
        for row in rows(name, folder):
            of_it = row["method"] == method or row["method"] in _variants(method)
            key = (row["network"], row["method"])
            if of_it and row.get("ratio") is not None and key not in found:
                found[key] = row
                files[name] = None
    order = [*NETWORKS]
    known = [row for key, row in found.items() if key[0] in order]
    return sorted(known, key=lambda row: order.index(row["network"])), list(files)


def _variants(method: str) -> list[str]:
    """The names of a method with other settings."""
    return [name for name in _TITLES if name.startswith(f"{method}_")]


def quality(folder: Path = RESULTS) -> dict[str, dict[str, Spread]]:
    """How well methods do on the benchmark of section "Results" in the README.

    Returns:
        accuracy, nll, ece and ood_auroc over the seeds, by method; the best NLL first.
    """
    by_method: dict[str, list[Row]] = defaultdict(list)
    for row in rows(QUALITY, folder):
        if (row["dataset"], row["model"]) == _TASK:
            by_method[row["method"]].append(row)
    keys = ("accuracy", "nll", "ece", "ood_auroc")
    found = {
        method: {key: _spread([row[key] for row in mine]) for key in keys}
        for method, mine in by_method.items()
    }
    return dict(sorted(found.items(), key=lambda item: item[1]["nll"].mean))


def _spread(values: Sequence[float]) -> Spread:
    return Spread(
        mean=fmean(values), low=min(values), high=max(values), count=len(values)
    )


def large_batch(target: float, folder: Path = RESULTS) -> dict[str, list[Row]]:
    """Steps to a test accuracy by batch size.

    Args:
        target: The accuracy.
        folder: Where the results are.

    Returns:
        Rows with batch_size, steps (None where it was not reached), steps_low,
        steps_high and num_seeds, by method, the smallest batch first.
    """
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows(LARGE_BATCH, folder):
        if row["target"] == target:
            found[row["method"]].append(row)
    return {
        method: sorted(mine, key=lambda row: int(row["batch_size"]))
        for method, mine in found.items()
    }

"""How good the predictions are: accuracy, NLL, ECE and OOD scores by method and seed.

Protocol fashion-lenet (design.md, section 7): LeNet-5 on Fashion-MNIST, batch 128,
cosine to zero by step, all 60,000 training images, every method with its defaults;
Bayesian methods with 32 posterior samples; OOD against digits. Figures are medians over
seeds, the spread is the smallest and the largest.

    python benchmarks/quality.py [--quick] [--epochs N] [--seeds S...] [--only NAME...]
                                 [--json PATH]
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

# Opacus installs a package `benchmarks` of its own, which a script would find first.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.machine import machine
from trainers.catalogue import OPTIMIZERS
from trainers.config import (
    DatasetConfig,
    EvaluationConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    TrainingConfig,
)
from trainers.runs import new_run, read_json
from trainers.session import train_run
from trainers.status import FINISHED
from vogn_app import __version__

DATASET, MODEL, OOD = "fashion-mnist", "lenet5", "digits"
COLUMNS = ("accuracy", "nll", "ece", "ood_auroc", "ood_fpr95", "seconds")


def run_once(method: str, seed: int, epochs: int, folder: Path) -> dict[str, Any]:
    """Train and evaluate one method with one seed; its row of the table."""
    config = RunConfig(
        dataset=DatasetConfig(name=DATASET, validation_fraction=0.0),
        model=ModelConfig(name=MODEL),
        optimizer=OptimizerConfig(name=method),
        training=TrainingConfig(epochs=epochs, seed=seed),
        evaluation=EvaluationConfig(ood=OOD),
    )
    run = new_run(config, __version__, folder / f"{method}-{seed}")
    start = time.perf_counter()
    status = train_run(run, show_bar=False)
    seconds = time.perf_counter() - start
    if status.state != FINISHED:
        raise RuntimeError(f"{method}, seed {seed}: {status.message}")
    content = read_json(run.evaluation)
    metrics, ood = content["metrics"], content["ood"][OOD]
    return {
        "dataset": DATASET,
        "model": MODEL,
        "method": method,
        "seed": seed,
        **{name: metrics[name] for name in ("accuracy", "nll", "ece")},
        "ood_auroc": ood["auroc"],
        "ood_fpr95": ood["fpr95"],
        "seconds": seconds,
    }


def table_line(method: str, rows: list[dict[str, Any]]) -> str:
    """Median and spread of one method over its seeds."""
    cells = [f"{method:>7}"]
    for column in COLUMNS:
        values = [row[column] for row in rows]
        digits = 0 if column == "seconds" else 4
        text = f"{statistics.median(values):.{digits}f}"
        if len(values) > 1:
            text += f" ({min(values):.{digits}f}-{max(values):.{digits}f})"
        cells.append(f"{text:>22}")
    return " ".join(cells)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one epoch, seed 0")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=OPTIMIZERS, metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="PATH")
    options = parser.parse_args()
    epochs, seeds = (1, [0]) if options.quick else (options.epochs, options.seeds)
    print(f"{machine()}\n{MODEL} on {DATASET}, {epochs} epochs, seeds {seeds}")
    print(" ".join([f"{'method':>7}", *(f"{column:>22}" for column in COLUMNS)]))
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for method in options.only or OPTIMIZERS:
            own = [run_once(method, seed, epochs, Path(folder)) for seed in seeds]
            print(table_line(method, own), flush=True)
            rows += own
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()

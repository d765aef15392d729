"""Runs to compare: of some optimizer and seed, each with predictions of its own."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from calibration import evaluate
from tests.ui import fakes
from trainers.runs import Run, read_json, write_json
from ui.components import reading
from ui.components.reading import Summary
from ui.views.compare.groups import Entry, entries

N, CLASSES = 240, 10
OOD = "photo-patches"


def run_of(
    root: Path,
    name: str,
    *,
    seed: int = 0,
    sharp: float = 3.0,
    evaluated: bool = True,
    settings: dict[str, Any] | None = None,
    **details: Any,
) -> Run:
    """Write a run with a seed; `settings` go into its configuration's sections."""
    run = fakes.write_run(root, name, **details)
    content = read_json(run.config)
    content["training"]["seed"] = seed
    for section, values in (settings or {}).items():
        content[section] |= values
    write_json(run.config, content)
    shake(run, seed)
    if evaluated:
        write_results(run, seed, sharp, details.get("optimizer", "vogn"))
    return run


def shake(run: Run, seed: int) -> None:
    """Give the validation NLL of each seed another offset."""
    rows = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    for row in rows:
        if "validation_nll" in row:
            row["validation_nll"] += 0.1 * seed
    run.metrics.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def write_results(run: Run, seed: int, sharp: float, optimizer: str) -> None:
    content, arrays = _results(seed, sharp, optimizer)
    run.evaluation.write_text(content)
    np.savez(run.predictions, **arrays)


@cache  # hundreds of runs of these tests are alike
def _results(
    seed: int, sharp: float, optimizer: str
) -> tuple[str, Mapping[str, np.ndarray]]:
    """What evaluation.json and predictions.npz hold."""
    rng = np.random.default_rng([seed, len(optimizer), int(10 * sharp)])
    labels = np.random.default_rng(9).integers(0, CLASSES, N)
    bayesian = optimizer == "vogn"
    samples = 4 if bayesian else 1
    inside = fakes._probabilities(rng, labels, CLASSES, samples, sharp)
    others = rng.integers(0, CLASSES, 100)
    outside = fakes._probabilities(rng, others, CLASSES, samples, 0.5)
    inside, outside = inside.astype(np.float32), outside.astype(np.float32)
    pick = (lambda each: each) if bayesian else (lambda each: each[0])
    content = evaluate(pick(inside), labels, ood={OOD: pick(outside)})
    content |= {"class_names": list("abcdefghij"), "map": None, "notes": []}
    return json.dumps(content), {
        "probabilities": pick(inside), "labels": labels,
        "indices": np.arange(N), f"ood_{OOD}": pick(outside),
    }  # fmt: skip


def probabilities(run: Run) -> np.ndarray:
    """What a run predicts of the test examples, as its file has it."""
    with np.load(run.predictions) as arrays:
        found: np.ndarray = arrays["probabilities"]
    return found


def labels_of(run: Run) -> np.ndarray:
    with np.load(run.predictions) as arrays:
        found: np.ndarray = arrays["labels"]
    return found


def views_of(*runs: Run) -> list[Summary]:
    return reading.summaries(runs)[0]


def entries_of(*runs: Run, by_seeds: bool = True) -> list[Entry]:
    return entries(views_of(*runs), by_seeds)[0]


def family(root: Path, optimizer: str, seeds: int = 3, **details: Any) -> list[Run]:
    """Runs of the same settings and other seeds."""
    return [
        run_of(root, f"{optimizer}-{k}", seed=k, optimizer=optimizer, **details)
        for k in range(seeds)
    ]

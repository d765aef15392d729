"""Run folders as the trainer leaves them, without a training."""

import json
import math
import time
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from calibration import evaluate, uncertainty_map
from data import DATASETS
from trainers import status
from trainers.catalogue import OPTIMIZERS
from trainers.config import (
    DatasetConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    TrainingConfig,
)
from trainers.runs import Run, new_run, write_json
from trainers.status import Status, write_status

STEPS_PER_EPOCH = 100


def config(
    dataset: str = "digits",
    model: str = "mlp",
    optimizer: str = "vogn",
    **training: Any,
) -> RunConfig:
    return RunConfig(
        dataset=DatasetConfig(name=dataset),
        model=ModelConfig(name=model),
        optimizer=OptimizerConfig(name=optimizer),
        training=TrainingConfig(**training),
    )


def write_run(
    root: Path,
    name: str,
    *,
    state: str = status.FINISHED,
    evaluated: bool = False,
    epochs: int = 5,
    done: float = 1.0,
    dataset: str = "digits",
    model: str = "mlp",
    optimizer: str = "vogn",
    **details: Any,
) -> Run:
    """Write a run of a certain state with its metrics and, if wanted, evaluation."""
    chosen = config(dataset, model, optimizer, epochs=epochs)
    run = new_run(chosen, "test", root / name)
    total = epochs * STEPS_PER_EPOCH
    write_metrics(
        run,
        range(0, int(total * done) + 1, 10),
        bayesian=OPTIMIZERS[optimizer].bayesian,
        curvature=optimizer in {"noisy_kfac", "kfac", "sp_ngd"},
    )
    now = time.time()
    ended = now - 60 if state in status.ENDED else None
    values = {
        "created": now - 300, "started": now - 290, "ended": ended,
        "step": int(total * done), "total_steps": total, "phase": "training",
    }  # fmt: skip
    write_status(run, Status(state=state, **(values | details)))
    run.log.parent.mkdir(exist_ok=True)
    run.log.write_text("epoch 1: loss 0.9\nepoch 2: loss 0.6\n")
    if evaluated:
        write_evaluation(run, dataset, bayesian=OPTIMIZERS[optimizer].bayesian)
    return run


def write_metrics(
    run: Run, steps: range, *, bayesian: bool, curvature: bool = False
) -> None:
    with run.metrics.open("a") as file:
        for step in steps:
            for row in _rows(step, bayesian, curvature):
                file.write(json.dumps(row) + "\n")


def _rows(step: int, bayesian: bool, curvature: bool) -> list[dict[str, Any]]:
    noise = np.random.default_rng(step).normal(0, 0.08)
    fit = math.exp(-step / 120)
    shared = {"step": step, "seconds": step * 0.02, "examples_per_second": 6400.0}
    extra = {"posterior_deviation": 0.02 + 0.12 * fit} if bayesian else {}
    loss = 0.12 + 2.1 * fit + noise * (0.3 + fit)
    rate = 0.1 * (1 + math.cos(math.pi * step / 500)) / 2
    figures = {
        "damping": 2.5e-4, "factor_interval": 1 + step / 50, "inverse_interval": 1.0,
        "refreshed_share": 0.1 + 0.9 * fit, "inverse_seconds": 0.004 * fit,
    }  # fmt: skip
    rows = [
        {"kind": "step", "epoch": step / STEPS_PER_EPOCH, "train_loss": loss,
         "lr": rate, **shared, **extra, **(figures if curvature else {})}
    ]  # fmt: skip
    if step and step % STEPS_PER_EPOCH == 0:
        rows.append(
            {"kind": "epoch", "epoch": step // STEPS_PER_EPOCH,
             "train_loss": 0.12 + 2.1 * fit, "train_accuracy": 0.985 - 0.8 * fit,
             "validation_nll": 0.15 + 1.9 * fit,
             "validation_accuracy": 0.97 - 0.8 * fit,
             "validation_ece": 0.012 + 0.08 * fit, **shared, **extra,
             **({"posterior": layers(fit)} if bayesian else {})}
        )  # fmt: skip
    return rows


def write_evaluation(run: Run, dataset: str, *, bayesian: bool) -> dict[str, Any]:
    content, inside, outside, labels = deepcopy(_evaluated(dataset, bayesian))
    if outside is not None:
        write_images(run, len(labels), len(outside[0]))
    write_json(run.evaluation, content)
    write_predictions(run, inside, outside, labels, bayesian)
    return content


@cache
def _evaluated(dataset: str, bayesian: bool) -> tuple[dict[str, Any], Any, Any, Any]:
    spec = DATASETS[dataset]
    classes = spec.num_classes or 3
    rng = np.random.default_rng(0)
    samples = 8 if bayesian else 1
    labels = rng.integers(0, classes, 360)
    inside = _probabilities(rng, labels, classes, samples, sharp=3.2)
    outside = _probabilities(rng, rng.integers(0, classes, 500), classes, samples, 0.6)
    image = spec.kind != "points"
    content = evaluate(
        inside if bayesian else inside[0],
        labels,
        mean_probabilities=inside.mean(0) if bayesian else None,
        ood={"photo-patches": outside if bayesian else outside[0]} if image else {},
    )
    names = list(spec.class_names) or ["cat", "dog", "<b>owl</b>"]
    content |= {"class_names": names, "map": None, "notes": [], "dataset": dataset}
    content["posterior"] = layers() if bayesian else None
    content["software"] = {"Python": "3.11.7", "torch": "2.15.0"}
    if not image:
        content["map"] = _map(classes, samples)
    return content, inside, outside if image else None, labels


def write_predictions(
    run: Run, inside: Any, outside: Any, labels: Any, bayesian: bool
) -> None:
    """Write what the trainer does; see `trainers.predictions`."""
    pick = (lambda array: array) if bayesian else (lambda array: array[0])
    rng = np.random.default_rng(3)
    centres = rng.normal(0, 2, (int(labels.max()) + 1, 6))
    features = centres[labels] + rng.normal(0, 1, (len(labels), 6))
    arrays = {
        "probabilities": pick(inside).astype(np.float32), "labels": labels,
        "indices": np.arange(len(labels)) + 1000,
        "logits": np.log(inside.mean(0)).astype(np.float32),
        "features": features.astype(np.float32),
        "labels_train": labels, "features_train": features.astype(np.float32),
        "logits_train": np.log(inside.mean(0)).astype(np.float32),
        "validation_probabilities": inside.mean(0).astype(np.float32)[:200],
        "validation_labels": labels[:200],
    }  # fmt: skip
    if outside is not None:
        arrays |= {
            "ood_photo-patches": pick(outside).astype(np.float32),
            "logits_ood_photo-patches": np.log(outside.mean(0)).astype(np.float32),
            "features_ood_photo-patches": rng.normal(0, 3, (outside.shape[1], 6)),
        }
    np.savez(run.predictions, **arrays)


def _probabilities(
    rng: np.random.Generator, labels: Any, classes: int, samples: int, sharp: float
) -> Any:
    logits = rng.normal(0, 1, (len(labels), classes))
    logits[np.arange(len(labels)), labels] += sharp
    logits = logits + rng.normal(0, 0.7, (samples, *logits.shape))
    grown = np.exp(1.4 * logits)
    return grown / grown.sum(-1, keepdims=True)


def write_images(run: Run, num_test: int, num_ood: int) -> None:
    rng = np.random.default_rng(1)
    drawn = rng.integers(0, 255, (num_test + num_ood, 8, 8), dtype=np.uint8)
    np.savez(
        run.images,
        **{
            "images": drawn[:num_test], "rows": np.arange(num_test),
            "images_ood_photo-patches": drawn[num_test:],
            "rows_ood_photo-patches": np.arange(num_ood),
        },
    )  # fmt: skip


def write_shift(run: Run, kinds: tuple[str, ...] = ("fog", "rotation")) -> None:
    """Write what `trainers.shift` does, worse with each severity."""
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 10, 120)
    arrays = {"labels": labels, "indices": np.arange(120)}
    for name in (
        "clean",
        *(f"{kind}_{level}" for kind in kinds for level in range(1, 6)),
    ):
        sharp = 3.0 - (0.5 * int(name[-1]) if name != "clean" else 0.0)
        found = _probabilities(rng, labels, 10, 1, sharp)[0]
        arrays[name] = found.astype(np.float32)
    np.savez(run.shift, **arrays)


def layers(fit: float = 0.0) -> list[dict[str, Any]]:
    return [
        {"name": name, "num_parameters": size, "kl": 3.5 * size,
         "signal_to_noise": 0.4 + k - 0.3 * fit, "effective_parameters": 0.2 * size,
         "deviation": 0.02 * (k + 1) + 0.1 * fit}
        for k, (name, size) in enumerate((("0", 1600), ("<b>2</b>", 330)))
    ]  # fmt: skip


def _map(classes: int, samples: int) -> dict[str, Any]:
    x, y = np.linspace(-2, 3, 60), np.linspace(-1.5, 2, 50)
    grid = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    rng = np.random.default_rng(2)
    centres = rng.uniform([-1, -0.5], [2, 1], (classes, 2))
    labels = rng.integers(0, classes, 120)
    inputs = centres[labels] + rng.normal(0, 0.3, (120, 2))
    far = ((grid[:, None] - centres) ** 2).sum(-1)
    logits = -2 * far + rng.normal(0, 0.6, (samples, len(grid), classes))
    grown = np.exp(logits - logits.max(-1, keepdims=True))
    maps = uncertainty_map(grown / grown.sum(-1, keepdims=True), (50, 60))
    points = {"inputs": inputs.tolist(), "labels": labels.tolist()}
    return {"x": x.tolist(), "y": y.tolist(), "points": points, **maps}

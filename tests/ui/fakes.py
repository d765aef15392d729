"""Run folders as the trainer leaves them, without a training."""

import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from calibration import evaluate, select_examples, uncertainty_map
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
             "validation_ece": 0.012 + 0.08 * fit, **shared, **extra}
        )  # fmt: skip
    return rows


def write_evaluation(run: Run, dataset: str, *, bayesian: bool) -> dict[str, Any]:
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
    content |= {"class_names": names, "map": None, "gallery": None}
    if image:
        content["gallery"] = _gallery(run, inside, labels)
    else:
        content["map"] = _map(classes, samples)
    write_json(run.evaluation, content)
    np.savez(run.predictions, probabilities=inside, labels=labels)
    return content


def _probabilities(
    rng: np.random.Generator, labels: Any, classes: int, samples: int, sharp: float
) -> Any:
    logits = rng.normal(0, 1, (len(labels), classes))
    logits[np.arange(len(labels)), labels] += sharp
    logits = logits + rng.normal(0, 0.7, (samples, *logits.shape))
    grown = np.exp(1.4 * logits)
    return grown / grown.sum(-1, keepdims=True)


def _gallery(run: Run, inside: Any, labels: Any) -> dict[str, Any]:
    mean = inside.mean(0)
    rng = np.random.default_rng(1)
    images, shown = [], {}
    for kind, indices in select_examples(inside, labels, 12).items():
        shown[kind] = []
        for index in indices.tolist():
            p = mean[index]
            entropy = float(-(p * np.log(p)).sum())
            shown[kind].append(
                {"image": len(images), "index": index, "label": int(labels[index]),
                 "prediction": int(p.argmax()), "confidence": float(p.max()),
                 "entropy": entropy, "mutual_information": entropy / 4,
                 "probabilities": p.tolist()}
            )  # fmt: skip
            images.append(rng.integers(0, 255, (8, 8), dtype=np.uint8))
    np.savez(run.gallery, images=np.stack(images))
    return shown


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

"""Judge a trained run on its test split and write what the dashboard shows."""

import io
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.optim import Optimizer

from calibration import decompose, evaluate, predictive, select_examples
from calibration.maps import uncertainty_map
from data.arrays import LoadedDataset, Split
from trainers.abilities import has_posterior
from trainers.batches import DeviceSplit
from trainers.config import RunConfig
from trainers.predict import (
    BATCH_SIZE,
    check_finite,
    predict,
    predict_samples,
)
from trainers.ranks import Ranks
from trainers.reporting import Reporter
from trainers.runs import Run, write_atomically, write_json

GALLERY_IMAGES = 12  # of each kind
MAP_CELLS = 80  # along each side
MAP_MARGIN = 0.4  # of the data's extent: where there are no data lies the interest
MAP_POINTS = 1000  # training points drawn on the map


def evaluate_run(
    run: Run,
    config: RunConfig,
    data: LoadedDataset,
    ood: dict[str, Split],
    model: nn.Module,
    optimizer: Optimizer,
    reporter: Reporter,
) -> dict[str, Any]:
    """Predict with posterior samples and at the mean; write the run's result files.

    Args:
        run: The run.
        config: Its configuration.
        data: The dataset; its test split is judged.
        ood: Out-of-distribution inputs by name.
        model: The trained network.
        optimizer: Its optimizer.
        reporter: Told of every batch.

    Returns:
        The content of evaluation.json.
    """
    device = next(model.parameters()).device
    grid = _Grid(data) if data.spec.kind == "points" else None
    parts = [data.test, *ood.values(), *([grid.split] if grid else [])]
    splits = [DeviceSplit.of(part, data.normalisation, device) for part in parts]
    draws = config.evaluation.test_samples if has_posterior(optimizer) else 1
    batches = [-(-len(split) // BATCH_SIZE) for split in splits]
    at_mean_batches = batches[0] if has_posterior(optimizer) else 0
    reporter.phase("evaluating", draws * sum(batches) + at_mean_batches)
    probabilities, *others = predict_samples(
        model, optimizer, splits, draws, reporter.advance
    )
    at_mean = None
    if has_posterior(optimizer):
        (at_mean,) = predict(model, splits[:1], reporter.advance)
    for predicted in (probabilities, *others):
        check_finite(predicted, reporter.status.step)
    out = dict(zip(ood, others, strict=False))
    content = evaluate(
        probabilities, data.test.labels, mean_probabilities=at_mean, ood=out
    )
    content["dataset"] = data.spec.name
    content["class_names"] = list(data.class_names)
    content["map"] = grid.map(others[-1]) if grid else None
    content["gallery"] = None if grid else _gallery(run, data.test, probabilities)
    _write_predictions(run, data.test, probabilities, out)
    if has_posterior(optimizer):
        optimizer.posterior().save(run.posterior)
    write_json(run.evaluation, content)
    return content


def _write_predictions(
    run: Run,
    test: Split,
    probabilities: NDArray[np.float32],
    ood: dict[str, NDArray[np.float32]],
) -> None:
    arrays: dict[str, NDArray[Any]] = {
        f"ood_{name}": values for name, values in ood.items()
    }
    arrays |= {
        "probabilities": probabilities,
        "labels": test.labels,
        "indices": test.indices,
    }
    _write_arrays(run.predictions, arrays)


def _write_arrays(path: Any, arrays: dict[str, NDArray[Any]]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_atomically(path, buffer.getvalue())


def _gallery(
    run: Run, test: Split, probabilities: NDArray[np.float32]
) -> dict[str, list[dict[str, Any]]]:
    """Choose images worth looking at, store them, and describe each."""
    chosen = select_examples(probabilities, test.labels, GALLERY_IMAGES)
    rows = np.unique(np.concatenate(list(chosen.values())))
    images = test.inputs[rows].transpose(0, 2, 3, 1)
    images = images[..., 0] if images.shape[-1] == 1 else images
    _write_arrays(run.gallery, {"images": images})
    mean, parts = predictive(probabilities), decompose(probabilities)

    def describe(row: int) -> dict[str, Any]:
        return {
            "image": int(np.searchsorted(rows, row)),
            "index": int(test.indices[row]),
            "label": int(test.labels[row]),
            "prediction": int(mean[row].argmax()),
            "confidence": float(mean[row].max()),
            "entropy": float(parts.total[row]),
            "mutual_information": float(parts.mutual_information[row]),
            "probabilities": [round(float(p), 6) for p in mean[row]],
        }

    return {kind: [describe(int(r)) for r in each] for kind, each in chosen.items()}


class _Grid:
    """A grid of points over and around two-dimensional data."""

    def __init__(self, data: LoadedDataset) -> None:
        points = data.train.inputs
        low, high = points.min(0), points.max(0)
        margin = MAP_MARGIN * (high - low)
        axes = np.linspace(low - margin, high + margin, MAP_CELLS, dtype=np.float32)
        self.x, self.y = axes[:, 0], axes[:, 1]
        columns, rows = np.meshgrid(self.x, self.y)
        inputs = np.stack([columns.ravel(), rows.ravel()], axis=1)
        self.split = Split.whole(inputs, np.zeros(len(inputs), dtype=np.int64))
        self.train = data.train

    def map(self, probabilities: NDArray[np.float32]) -> dict[str, Any]:
        """The map of evaluation.json, from probabilities at the grid's points."""
        shown = slice(None, MAP_POINTS)
        content: dict[str, Any] = uncertainty_map(probabilities, (MAP_CELLS, MAP_CELLS))
        return content | {
            "x": _rounded(self.x),
            "y": _rounded(self.y),
            "points": {
                "inputs": [_rounded(point) for point in self.train.inputs[shown]],
                "labels": self.train.labels[shown].tolist(),
            },
        }


def _rounded(values: NDArray[np.float32]) -> list[float]:
    return [round(float(value), 5) for value in values]


def resolve_device(name: str, ranks: Ranks | None = None) -> torch.device:
    """The device of a configuration, for one of the processes of a run.

    Args:
        name: "auto", "cpu", "cuda" or "cuda:N".
        ranks: The place of this process; several on a machine have a GPU each.

    Returns:
        The device.

    Raises:
        ValueError: If this machine lacks it, or all ranks would share one GPU.
    """
    available = torch.cuda.is_available()
    count = torch.cuda.device_count() if available else 0
    if name == "auto":
        name = "cuda" if available else "cpu"
    if ranks is not None and ranks.size > 1 and name.startswith("cuda"):
        name = _gpu_of(name, ranks)
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= count:
        raise ValueError(
            f"device must be one that this machine has ({count} CUDA devices), "
            f"got {name!r}."
        )
    return device


def _gpu_of(name: str, ranks: Ranks) -> str:
    if name != "cuda":
        raise ValueError(
            f"device must be auto, cpu or cuda for {ranks.size} processes, which take "
            f"a GPU each, got {name!r}."
        )
    return f"cuda:{ranks.local_rank}"

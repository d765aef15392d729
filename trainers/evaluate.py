"""Judge a trained run on its test split and write what the dashboard shows."""

import platform
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.optim import Optimizer

from calibration import evaluate
from calibration.maps import uncertainty_map
from data.arrays import LoadedDataset, Split
from trainers.abilities import has_posterior
from trainers.arrays import write_arrays
from trainers.batches import DeviceSplit
from trainers.config import RunConfig
from trainers.features import NO_FEATURES, Outputs, outputs
from trainers.layers import layer_rows
from trainers.pictures import kept_images
from trainers.predict import BATCH_SIZE, check_finite, draws_of, predict_draws
from trainers.predictions import OOD, TEST, VALIDATION, arrays_of, training_examples
from trainers.ranks import Ranks
from trainers.reporting import Reporter
from trainers.runs import Run, write_json
from vogn_app.posterior import AnyPosterior

ONE_OF_SEVERAL = (
    "Logits and features are of one of several networks: there is none at the mean of "
    "a mixture."
)
_GRID = "grid"  # the name of the map's points among what is predicted
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
    grid = _Grid(data) if data.spec.kind == "points" else None
    parts = _parts(data, ood, grid)
    train = training_examples(data.train, config.dataset.split_seed)
    device = next(model.parameters()).device
    splits = [
        DeviceSplit.of(part, data.normalisation, device)
        for part in (*parts.values(), train)
    ]
    probabilities, at_mean = _predict(config, model, optimizer, splits, reporter)
    predicted = dict(zip(parts, probabilities, strict=True))
    at_means = dict(zip(parts, at_mean, strict=False))
    posterior = optimizer.posterior() if has_posterior(optimizer) else None
    has_mean = posterior is not None and posterior.has_mean
    content = evaluate(
        predicted[TEST],
        data.test.labels,
        mean_probabilities=at_means[TEST].probabilities if has_mean else None,
        ood={name: predicted[OOD + name] for name in ood},
    )
    content["dataset"] = data.spec.name
    content["class_names"] = list(data.class_names)
    # What must be known to predict elsewhere, where there is no dataset.
    content["input_shape"] = list(data.input_shape)
    content["normalisation"] = {
        "mean": data.normalisation.mean.tolist(),
        "std": data.normalisation.std.tolist(),
    }
    content["map"] = grid.map(predicted[_GRID]) if grid else None
    content["software"] = {
        "Python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
    content["notes"] = [NO_FEATURES] if at_means[TEST].features is None else []
    if posterior is not None and not has_mean:
        content["notes"].append(ONE_OF_SEVERAL)
    content["posterior"] = _keep_posterior(run, posterior)
    arrays = arrays_of(data, predicted, at_means, (train, at_mean[-1]))
    write_arrays(run.predictions, arrays)
    if data.spec.kind != "points":
        write_arrays(run.images, kept_images(data.test, ood, predicted))
    write_json(run.evaluation, content)
    return content


def _parts(
    data: LoadedDataset, ood: dict[str, Split], grid: "_Grid | None"
) -> dict[str, Split]:
    """What is predicted with draws from the posterior, by name."""
    parts = {TEST: data.test, **{OOD + name: part for name, part in ood.items()}}
    if len(data.validation):
        parts[VALIDATION] = data.validation
    if grid is not None:
        parts[_GRID] = grid.split
    return parts


def _predict(
    config: RunConfig,
    model: nn.Module,
    optimizer: Optimizer,
    splits: list[DeviceSplit],
    reporter: Reporter,
) -> tuple[list[NDArray[np.float32]], list[Outputs]]:
    """Predict all splits but the last with draws, and all at the mean."""
    batches = [-(-len(split) // BATCH_SIZE) for split in splits]
    draws = list(draws_of(model, optimizer, config.evaluation.test_samples))
    reporter.phase("evaluating", len(draws) * sum(batches[:-1]) + sum(batches))
    at_mean = outputs(model, splits, reporter.advance)
    probabilities = [each.probabilities for each in at_mean[:-1]]
    if draws:
        probabilities = predict_draws(model, draws, splits[:-1], reporter.advance)
    for values in (*probabilities, *(each.logits for each in at_mean)):
        check_finite(values, reporter.status.step)
    return probabilities, at_mean


def _keep_posterior(
    run: Run, posterior: AnyPosterior | None
) -> list[dict[str, Any]] | None:
    """Save the posterior, if there is one, and describe it layer by layer."""
    if posterior is None:
        return None
    posterior.save(run.posterior)
    return layer_rows(posterior)


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

"""The lines that predict with the posterior of a run, elsewhere or here."""

import json
from collections.abc import Mapping
from typing import Any

from data import DATASETS
from trainers.config import RunConfig
from ui.components.formats import number

_LINES = """\
import torch

from trainers.models import build_model
from vogn_app import load_posterior

model = build_model({model}, {shape}, {classes})  # or any network of these layers
posterior = load_posterior("posterior.safetensors")

{inputs}
probabilities = posterior.predict_proba(model, inputs, {samples})  # [N, {classes}]
"""
_AT_MEAN = "posterior.load_into(model)  # or one network, at the posterior mean\n"
_UNKNOWN = "inputs = torch.zeros(1, {sizes})  # yours, normalised as in training"
_NORMALISED = """\
given = torch.rand(1, {sizes})  # yours: {range}
mean, std = torch.tensor({mean}), torch.tensor({std})  # of the training part
inputs = (given - mean{view}) / std{view}"""


def posterior_snippet(config: RunConfig, evaluation: Mapping[str, Any] | None) -> str:
    """Python that loads a posterior and predicts with it.

    Args:
        config: Configuration of the run.
        evaluation: Its evaluation.json, which knows the size of a user's own images
            and how inputs are normalised; older ones do not.

    Returns:
        The program, which runs as it stands; "" where the size of an input is known
        nowhere.
    """
    told = evaluation or {}
    spec = DATASETS[config.dataset.name]
    shape = spec.shape or _shape(told.get("input_shape"))
    classes = spec.num_classes or told.get("num_classes")
    if not shape or not isinstance(classes, int):
        return ""
    lines = _LINES if _is_mixture(told) else _LINES + _AT_MEAN
    return lines.format(
        model=json.dumps(config.model.name),
        shape=shape,
        classes=classes,
        inputs=_inputs(shape, told.get("normalisation")),
        samples=config.evaluation.test_samples,
    )


def _is_mixture(told: Mapping[str, Any]) -> bool:
    """Whether an evaluation is of a posterior whose mean is no network."""
    return bool(told.get("posterior")) and told.get("mean") is None


def _shape(told: Any) -> tuple[int, ...]:
    """The shape of an input that an evaluation tells, () where it does not."""
    sizes = told if isinstance(told, list) else []
    return tuple(sizes) if all(type(size) is int for size in sizes) else ()


def _inputs(shape: tuple[int, ...], normalisation: Any) -> str:
    sizes = ", ".join(map(str, shape))
    mean, std = _constants(normalisation, "mean"), _constants(normalisation, "std")
    if len(mean) != shape[0] or len(std) != shape[0]:
        return _UNKNOWN.format(sizes=sizes)
    image = len(shape) == 3
    return _NORMALISED.format(
        sizes=sizes, mean=mean, std=std,
        view=".view(-1, 1, 1)" if image else "",
        range="pixels from 0 to 1" if image else "points of the plane",
    )  # fmt: skip


def _constants(normalisation: Any, name: str) -> list[float]:
    """A number a channel, [] for anything else."""
    told = normalisation.get(name) if isinstance(normalisation, dict) else None
    values = told if isinstance(told, list) else []
    if not all(number(value) for value in values):
        return []
    return [round(float(value), 6) for value in values]

"""What can be trained and how: optimizers and models as plain data.

The launch form, the command line and the README tables are drawn from here, so a new
hyper-parameter is written once. Nothing here imports torch; `trainers.optimizers` and
`trainers.models` turn the names into objects.
"""

from dataclasses import dataclass

from trainers.collected import MC_DROPOUT, SWAG
from trainers.curved import LAPLACE
from trainers.ensembles import ENSEMBLE, MULTI_VOGN
from trainers.first_order import ADAMW, LAMB, SGD
from trainers.hyperparameters import OptimizerSpec
from trainers.monte_carlo import SGHMC, SGLD, SNAPSHOT
from trainers.natural import KFAC, NOISY_KFAC, SP_NGD, VOGN
from trainers.timm_catalogue import TIMM_MODELS, TIMM_PREFIX, timm_spec
from trainers.variational import IVON, OGN, VADAM

TIMM_SUGGESTIONS = tuple(TIMM_PREFIX + name for name in TIMM_MODELS)


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A network: what it is and which inputs it takes."""

    name: str
    title: str
    summary: str
    paper: str
    inputs: tuple[str, ...]


OPTIMIZERS: dict[str, OptimizerSpec] = {
    spec.name: spec
    for spec in (
        VOGN,
        KFAC,
        NOISY_KFAC,
        SP_NGD,
        ADAMW,
        SGD,
        LAMB,
        ENSEMBLE,
        MULTI_VOGN,
        MC_DROPOUT,
        SWAG,
        SGLD,
        SGHMC,
        SNAPSHOT,
        IVON,
        VADAM,
        OGN,
        LAPLACE,
    )
}

MODELS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        ModelSpec(
            name="mlp",
            title="MLP",
            summary="Two hidden layers (512 units for images, 64 for points), ReLU.",
            paper="",
            inputs=("image", "points"),
        ),
        ModelSpec(
            name="lenet5",
            title="LeNet-5",
            summary="Two convolutions and three dense layers (6-16-120-84), ReLU and "
            "max-pooling; images under 28 pixels are scaled up to 28.",
            paper="LeCun et al. (1998)",
            inputs=("image",),
        ),
        ModelSpec(
            name="resnet20",
            title="ResNet-20",
            summary="Three stages of three residual blocks (16-32-64 channels) with "
            "BatchNorm, made for 32x32 images.",
            paper="He et al. (2016), arXiv:1512.03385",
            inputs=("image",),
        ),
    )
}


def optimizer_spec(name: str) -> OptimizerSpec:
    """Look up an optimizer; ValueError names the known ones."""
    if name not in OPTIMIZERS:
        known = ", ".join(sorted(OPTIMIZERS))
        raise ValueError(f"optimizer must be one of {known}, got {name!r}.")
    return OPTIMIZERS[name]


def model_spec(name: str) -> ModelSpec:
    """Look up a network, `timm:NAME` included; ValueError names the known ones."""
    if name.startswith(TIMM_PREFIX) and len(name) > len(TIMM_PREFIX):
        known_to_us = timm_spec(name)
        summary = f" {known_to_us.summary}" if known_to_us is not None else ""
        return ModelSpec(
            name=name,
            title=name.removeprefix(TIMM_PREFIX),
            summary=f"A classifier of the timm library, its input adapted.{summary}",
            paper="",
            inputs=("image",),
        )
    if name not in MODELS:
        known = ", ".join(sorted(MODELS))
        raise ValueError(
            f"model must be one of {known} or {TIMM_PREFIX}NAME, got {name!r}."
        )
    return MODELS[name]

"""What can be trained and how: optimizers and models as plain data.

The launch form, the command line and the README tables are drawn from here, so a new
hyper-parameter is written once. Nothing here imports torch; `trainers.optimizers` and
`trainers.models` turn the names into objects.
"""

from dataclasses import dataclass

from trainers.hyperparameters import (
    NESTEROV,
    VELOCITY,
    HyperParameter,
    OptimizerSpec,
    learning_rate,
)
from trainers.natural import KFAC, NOISY_KFAC, SP_NGD, VOGN
from trainers.timm_catalogue import TIMM_MODELS, TIMM_PREFIX, timm_spec

TIMM_SUGGESTIONS = tuple(TIMM_PREFIX + name for name in TIMM_MODELS)


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A network: what it is and which inputs it takes."""

    name: str
    title: str
    summary: str
    paper: str
    inputs: tuple[str, ...]


# Of the averages of Adam and its kin.
_BETAS = (
    HyperParameter(
        name="beta1", kind="float", default=0.9, minimum=0.0, maximum=1.0,
        open_maximum=True, help="Weight of the past in the gradient average.",
    ),
    HyperParameter(
        name="beta2", kind="float", default=0.999, minimum=0.0, maximum=1.0,
        open_maximum=True, help="Weight of the past in the squared average.",
    ),
)  # fmt: skip

_ADAMW = OptimizerSpec(
    name="adamw",
    title="AdamW",
    summary="Adam with decoupled weight decay: the everyday baseline, one set of "
    "weights.",
    paper="Loshchilov and Hutter (2019), Decoupled Weight Decay Regularization, "
    "arXiv:1711.05101",
    bayesian=False,
    hyperparameters=(
        learning_rate(1e-3, "Learning rate."),
        *_BETAS,
        HyperParameter(
            name="weight_decay", kind="float", default=0.01, minimum=0.0,
            maximum=1e3, help="Decoupled weight decay.",
        ),
    ),
)  # fmt: skip

_SGD = OptimizerSpec(
    name="sgd",
    title="SGD",
    summary="Stochastic gradient descent with momentum: the classic, one set of "
    "weights.",
    paper="Robbins and Monro (1951); Sutskever et al. (2013)",
    bayesian=False,
    hyperparameters=(
        learning_rate(0.05, "Learning rate."),
        VELOCITY,
        HyperParameter(
            name="weight_decay", kind="float", default=5e-4, minimum=0.0,
            maximum=1e3, help="L2 penalty on the weights.",
        ),
        NESTEROV,
    ),
)  # fmt: skip

_LAMB = OptimizerSpec(
    name="lamb",
    title="LAMB",
    summary="Adam whose step is scaled, layer by layer, to the size of the weights: "
    "made for large batches, one set of weights.",
    paper="You et al. (2020), Large Batch Optimization for Deep Learning: Training "
    "BERT in 76 minutes, arXiv:1904.00962",
    bayesian=False,
    hyperparameters=(
        learning_rate(
            1e-3, "Learning rate: about the relative change of a layer in a step."
        ),
        *_BETAS,
        HyperParameter(
            name="weight_decay", kind="float", default=0.01, minimum=0.0,
            maximum=1e3, help="Decay of matrices and filters, before the scaling.",
        ),
        HyperParameter(
            name="max_grad_norm", kind="float", default=1.0, minimum=0.0, maximum=1e6,
            help="Largest norm of the gradient, to which it is clipped; 0 for none.",
        ),
    ),
)  # fmt: skip

OPTIMIZERS: dict[str, OptimizerSpec] = {
    spec.name: spec for spec in (VOGN, KFAC, NOISY_KFAC, SP_NGD, _ADAMW, _SGD, _LAMB)
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

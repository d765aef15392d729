"""What can be trained and how: optimizers and models as plain data.

The launch form, the command line and the README tables are drawn from here, so a new
hyper-parameter is written once. Nothing here imports torch; `trainers.optimizers` and
`trainers.models` turn the names into objects.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

TIMM_PREFIX = "timm:"
AUTO = "auto"  # a value that the optimizer derives from the number of examples
TIMM_SUGGESTIONS = (
    "timm:resnet18",
    "timm:resnet26",
    "timm:vit_tiny_patch16_224",
    "timm:convnext_atto",
    "timm:mobilenetv3_small_100",
)


@dataclass(frozen=True, kw_only=True)
class HyperParameter:
    """One number, switch or choice that an optimizer takes.

    Args:
        name: Keyword of the optimizer's constructor.
        kind: Type of the value.
        default: Value when none is given.
        help: One line for people.
        minimum: Smallest allowed value; itself excluded when `open_minimum`.
        maximum: Largest allowed value; itself excluded when `open_maximum`.
        open_minimum: Whether `minimum` itself is excluded.
        open_maximum: Whether `maximum` itself is excluded.
        unit: What the number counts, "" for pure numbers.
        choices: The allowed values of a "choice".
        automatic: What "auto" stands for, where the value may be left to that; "" else.
    """

    name: str
    kind: Literal["float", "int", "bool", "choice"]
    default: float | int | bool | str
    help: str
    minimum: float = -math.inf
    maximum: float = math.inf
    open_minimum: bool = False
    open_maximum: bool = False
    unit: str = ""
    choices: tuple[str, ...] = ()
    automatic: str = ""

    @property
    def condition(self) -> str:
        """The allowed values in words, such as `in [0, 1)`."""
        automatic = f", or {AUTO} for {self.automatic}" if self.automatic else ""
        return self._own_condition() + automatic

    def _own_condition(self) -> str:
        if self.kind == "bool":
            return "true or false"
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        number = "a whole number" if self.kind == "int" else "a number"
        left, right = "(["[not self.open_minimum], ")]"[not self.open_maximum]
        if math.isinf(self.maximum):
            if math.isinf(self.minimum):
                return number
            sign = ">" if self.open_minimum else ">="
            return f"{number} {sign} {self.minimum:g}"
        return f"{number} in {left}{self.minimum:g}, {self.maximum:g}{right}"

    def validated(self, value: Any) -> float | int | bool | str:
        """Return `value` as this hyper-parameter's type.

        Args:
            value: Anything, typically from JSON, a form or the command line.

        Returns:
            The value as float, int, bool or str; "auto" for None where that is allowed.

        Raises:
            ValueError: If the value has the wrong type or is out of range.
        """
        converted = self._converted(value)
        if converted is None or not self._in_range(converted):
            raise ValueError(f"{self.name} must be {self.condition}, got {value!r}.")
        return converted

    def _converted(self, value: Any) -> float | int | bool | str | None:
        if self.automatic and value in (None, AUTO):
            return AUTO
        if self.kind == "bool":
            words = {"true": True, "false": False}
            value = words.get(value.lower()) if isinstance(value, str) else value
            return value if isinstance(value, bool) else None
        if self.kind == "choice":
            return value if value in self.choices else None
        if isinstance(value, bool):
            return None
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            return None
        if self.kind == "int":
            return int(number) if number.is_integer() else None
        return number if math.isfinite(number) else None

    def _in_range(self, value: float | int | bool | str) -> bool:
        if isinstance(value, bool | str):
            return True
        above = value > self.minimum if self.open_minimum else value >= self.minimum
        below = value < self.maximum if self.open_maximum else value <= self.maximum
        return above and below


@dataclass(frozen=True, kw_only=True)
class OptimizerSpec:
    """An optimizer: what it is and what it takes."""

    name: str
    title: str
    summary: str
    paper: str
    bayesian: bool
    hyperparameters: tuple[HyperParameter, ...]

    def defaults(self) -> dict[str, float | int | bool | str]:
        """The default of every hyper-parameter by name."""
        return {item.name: item.default for item in self.hyperparameters}

    def validated(
        self, values: Mapping[str, Any]
    ) -> dict[str, float | int | bool | str]:
        """Return all hyper-parameters: `values` checked, the rest by default.

        Args:
            values: Hyper-parameters by name; may be incomplete.

        Returns:
            A complete dictionary in the catalogue's order.

        Raises:
            ValueError: If a name is unknown or a value is out of range.
        """
        known = {item.name: item for item in self.hyperparameters}
        for name in values:
            if name not in known:
                raise ValueError(
                    f"hyper-parameter of {self.name} must be one of "
                    f"{', '.join(known)}, got {name!r}."
                )
        return {
            name: item.validated(values.get(name, item.default))
            for name, item in known.items()
        }


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A network: what it is and which inputs it takes."""

    name: str
    title: str
    summary: str
    paper: str
    inputs: tuple[str, ...]


def _lr(default: float, help_text: str) -> HyperParameter:
    return HyperParameter(
        name="lr", kind="float", default=default, help=help_text, minimum=0.0,
        maximum=1e6, open_minimum=True,
    )  # fmt: skip


_VOGN = OptimizerSpec(
    name="vogn",
    title="VOGN",
    summary="Variational online Gauss-Newton: learns a Gaussian over the weights, "
    "so predictions come with uncertainty.",
    paper="Osawa et al. (2019), Practical Deep Learning with Bayesian Principles, "
    "arXiv:1906.02506",
    bayesian=True,
    hyperparameters=(
        HyperParameter(
            name="lr", kind="float", default=AUTO, minimum=0.0, maximum=1e6,
            open_minimum=True, automatic="8000 / training examples",
            help="Learning rate of the natural-gradient step.",
        ),
        HyperParameter(
            name="momentum", kind="float", default=0.9, minimum=0.0, maximum=1.0,
            open_maximum=True, help="Weight of the past in the gradient average.",
        ),
        HyperParameter(
            name="curvature_decay", kind="float", default=0.999, minimum=0.0,
            maximum=1.0, open_maximum=True,
            help="Weight of the past in the curvature average.",
        ),
        HyperParameter(
            name="initial_curvature", kind="float", default=AUTO, minimum=0.0,
            open_minimum=True, maximum=1e6, automatic="16000 / training examples",
            help="Curvature before any data; the step starts near lr divided by it.",
        ),
        HyperParameter(
            name="prior_precision", kind="float", default=AUTO, minimum=0.0,
            maximum=1e9, automatic="training examples / 1200",
            help="Precision of the Gaussian prior; pulls weights to zero.",
        ),
        HyperParameter(
            name="temperature", kind="float", default=1.0, minimum=0.0,
            open_minimum=True, maximum=100.0,
            help="Weight of the KL term; below 1 gives a colder, narrower posterior.",
        ),
        HyperParameter(
            name="temperature_warmup", kind="int", default=0, minimum=0,
            maximum=10_000_000, unit="steps",
            help="Steps over which the temperature rises to its value.",
        ),
        HyperParameter(
            name="initial_temperature", kind="float", default=0.01, minimum=0.0,
            open_minimum=True, maximum=100.0,
            help="Temperature that the warm-up begins with.",
        ),
        HyperParameter(
            name="damping", kind="float", default=AUTO, minimum=0.0, maximum=1e6,
            automatic="1600 / training examples",
            help="Added to the curvature: bounds the step; 0 is the exact posterior.",
        ),
        HyperParameter(
            name="weight_decay", kind="float", default=0.0, minimum=0.0, maximum=1e3,
            help="Decoupled weight decay, beside the prior.",
        ),
        HyperParameter(
            name="augmentation_factor", kind="float", default=1.0, minimum=0.0,
            open_minimum=True, maximum=1e3,
            help="How many examples one augmented image counts for.",
        ),
        HyperParameter(
            name="num_samples", kind="int", default=1, minimum=1, maximum=64,
            unit="weight draws", help="Monte-Carlo samples of the weights per step.",
        ),
        HyperParameter(
            name="curvature_interval", kind="int", default=1, minimum=1,
            maximum=100_000, unit="steps",
            help="Steps between refreshes of the curvature; those between cost less.",
        ),
        HyperParameter(
            name="curvature", kind="choice", default="empirical",
            choices=("empirical", "fisher"),
            help="Squared gradients at the data's labels, or at labels drawn from the "
            "model (one more backward pass on refresh steps).",
        ),
        HyperParameter(
            name="sampled", kind="bool", default=True,
            help="Whether the weights have a posterior; without: OGN, its mean alone.",
        ),
        HyperParameter(
            name="batch_norm", kind="choice", default="deterministic",
            choices=("deterministic", "sampled"),
            help="Whether BatchNorm's scale and shift get noise and a prior.",
        ),
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
        _lr(1e-3, "Learning rate."),
        HyperParameter(
            name="beta1", kind="float", default=0.9, minimum=0.0, maximum=1.0,
            open_maximum=True, help="Weight of the past in the gradient average.",
        ),
        HyperParameter(
            name="beta2", kind="float", default=0.999, minimum=0.0, maximum=1.0,
            open_maximum=True, help="Weight of the past in the squared average.",
        ),
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
        _lr(0.05, "Learning rate."),
        HyperParameter(
            name="momentum", kind="float", default=0.9, minimum=0.0, maximum=1.0,
            open_maximum=True, help="Weight of the past velocity.",
        ),
        HyperParameter(
            name="weight_decay", kind="float", default=5e-4, minimum=0.0,
            maximum=1e3, help="L2 penalty on the weights.",
        ),
        HyperParameter(
            name="nesterov", kind="bool", default=False,
            help="Look ahead along the velocity.",
        ),
    ),
)  # fmt: skip

OPTIMIZERS: dict[str, OptimizerSpec] = {
    spec.name: spec for spec in (_VOGN, _ADAMW, _SGD)
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
        return ModelSpec(
            name=name,
            title=name.removeprefix(TIMM_PREFIX),
            summary="A classifier of the timm library, its input adapted.",
            paper="",
            inputs=("image",),
        )
    if name not in MODELS:
        known = ", ".join(sorted(MODELS))
        raise ValueError(
            f"model must be one of {known} or {TIMM_PREFIX}NAME, got {name!r}."
        )
    return MODELS[name]

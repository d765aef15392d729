"""What can be trained and how: optimizers and models as plain data.

The launch form, the command line and the README tables are drawn from here, so a new
hyper-parameter is written once. Nothing here imports torch; `trainers.optimizers` and
`trainers.models` turn the names into objects.
"""

from dataclasses import dataclass

from trainers.hyperparameters import AUTO, HyperParameter, OptimizerSpec

TIMM_PREFIX = "timm:"
TIMM_SUGGESTIONS = (
    "timm:resnet18",
    "timm:resnet26",
    "timm:vit_tiny_patch16_224",
    "timm:convnext_atto",
    "timm:mobilenetv3_small_100",
)


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

# What the methods with a velocity, and those with Kronecker-factored curvature, share.
_NATURAL_LR = _lr(0.1, "Learning rate of the natural-gradient step.")
_VELOCITY = HyperParameter(
    name="momentum", kind="float", default=0.9, minimum=0.0, maximum=1.0,
    open_maximum=True, help="Weight of the past velocity.",
)  # fmt: skip
_NESTEROV = HyperParameter(
    name="nesterov", kind="bool", default=False, help="Look ahead along the velocity."
)
_L2 = HyperParameter(
    name="weight_decay", kind="float", default=0.0, minimum=0.0, maximum=1e3,
    help="L2 penalty on the weights.",
)  # fmt: skip
_DAMPING = HyperParameter(
    name="damping", kind="float", default=3e-3, minimum=0.0, maximum=1e6,
    open_minimum=True,
    help="Added to the curvature: larger gives shorter, safer steps.",
)  # fmt: skip
_KL_CLIP = HyperParameter(
    name="kl_clip", kind="float", default=3e-3, minimum=0.0, maximum=1e6,
    help="Largest change of the predictions in a step, by which it is shortened; 0 for "
    "no such limit.",
)  # fmt: skip
_LABELS = HyperParameter(
    name="curvature", kind="choice", default="empirical",
    choices=("empirical", "fisher", "exact"),
    help="Curvature at the data's labels, at labels drawn from the model, or at all "
    "labels weighed by the model; the last two cost more backward passes on refresh "
    "steps.",
)  # fmt: skip
_SHARING = HyperParameter(
    name="sharing",
    kind="choice",
    default="expand",
    choices=("expand", "reduce"),
    help="Whether the positions of an example count one by one, or summed.",
)

_KFAC = OptimizerSpec(
    name="kfac",
    title="K-FAC",
    summary="Natural gradient with Kronecker-factored curvature: fewer steps than "
    "first-order methods, the more so the larger the batch; one set of weights.",
    paper="Martens and Grosse (2015), Optimizing Neural Networks with "
    "Kronecker-factored Approximate Curvature, arXiv:1503.05671; Grosse and Martens "
    "(2016), A Kronecker-factored Approximate Fisher Matrix for Convolution Layers, "
    "arXiv:1602.01573",
    bayesian=False,
    hyperparameters=(
        _NATURAL_LR,
        _VELOCITY,
        _DAMPING,
        HyperParameter(
            name="factor_interval", kind="int", default=10, minimum=1,
            maximum=100_000, unit="steps",
            help="Steps between refreshes of the curvature; those between cost less.",
        ),
        _KL_CLIP,
        _L2,
        _NESTEROV,
        HyperParameter(
            name="factor_decay", kind="float", default=0.95, minimum=0.0, maximum=1.0,
            open_maximum=True, help="Weight of the past in the curvature average.",
        ),
        HyperParameter(
            name="inverse_interval", kind="int", default=0, minimum=0,
            maximum=100_000, unit="steps",
            help="Steps between two inversions of the curvature; 0 for one at each of "
            "its refreshes.",
        ),
        HyperParameter(
            name="inversion", kind="choice", default="cholesky",
            choices=("cholesky", "eigen", "ekfac"),
            help="How the curvature is inverted; ekfac also learns its scales from the "
            "gradients of single examples.",
        ),
        _LABELS,
        _SHARING,
    ),
)  # fmt: skip

_SP_NGD = OptimizerSpec(
    name="sp_ngd",
    title="SP-NGD",
    summary="Scalable natural gradient: K-FAC that refreshes each statistic only when "
    "it has changed and shares the work between processes; one set of weights.",
    paper="Osawa et al. (2020), Scalable and Practical Natural Gradient for "
    "Large-Scale Deep Learning, arXiv:2002.06015",
    bayesian=False,
    hyperparameters=(
        _NATURAL_LR,
        _VELOCITY,
        _DAMPING,
        HyperParameter(
            name="staleness", kind="float", default=0.1, minimum=0.0, maximum=100.0,
            help="Relative change up to which a statistic counts as unchanged and is "
            "refreshed more rarely; 0 refreshes all at every step.",
        ),
        _KL_CLIP,
        _L2,
        _NESTEROV,
        _LABELS,
        _SHARING,
    ),
)  # fmt: skip

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
        _lr(1e-3, "Learning rate."),
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
        _lr(0.05, "Learning rate."),
        _VELOCITY,
        HyperParameter(
            name="weight_decay", kind="float", default=5e-4, minimum=0.0,
            maximum=1e3, help="L2 penalty on the weights.",
        ),
        _NESTEROV,
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
        _lr(1e-3, "Learning rate: about the relative change of a layer in a step."),
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
    spec.name: spec for spec in (_VOGN, _KFAC, _SP_NGD, _ADAMW, _SGD, _LAMB)
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

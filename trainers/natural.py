"""The optimizers that use curvature, as plain data: VOGN, K-FAC, noisy K-FAC, SP-NGD.

Torch-free; `trainers.catalogue` has them beside the others.
"""

from dataclasses import replace

from trainers.hyperparameters import (
    AUTO,
    NESTEROV,
    VELOCITY,
    HyperParameter,
    OptimizerSpec,
    learning_rate,
)

# What those with a posterior share.
_PRIOR_PRECISION = HyperParameter(
    name="prior_precision", kind="float", default=AUTO, minimum=0.0,
    maximum=1e9, automatic="training examples / 1200",
    help="Precision of the Gaussian prior; pulls weights to zero.",
)  # fmt: skip
_TEMPERATURE = HyperParameter(
    name="temperature", kind="float", default=1.0, minimum=0.0,
    open_minimum=True, maximum=100.0,
    help="Weight of the KL term; below 1 gives a colder, narrower posterior.",
)  # fmt: skip
_AUGMENTATION_FACTOR = HyperParameter(
    name="augmentation_factor", kind="float", default=1.0, minimum=0.0,
    open_minimum=True, maximum=1e3,
    help="How many examples one augmented image counts for.",
)  # fmt: skip
_NUM_SAMPLES = HyperParameter(
    name="num_samples", kind="int", default=1, minimum=1, maximum=64,
    unit="weight draws", help="Monte-Carlo samples of the weights per step.",
)  # fmt: skip
_BATCH_NORM = HyperParameter(
    name="batch_norm", kind="choice", default="deterministic",
    choices=("deterministic", "sampled"),
    help="Whether BatchNorm's scale and shift get noise and a prior.",
)  # fmt: skip

VOGN = OptimizerSpec(
    name="vogn",
    title="VOGN",
    family="variational",
    summary="Variational online Gauss-Newton: learns a Gaussian over the weights, "
    "so predictions come with uncertainty.",
    paper="Osawa et al. (2019), Practical Deep Learning with Bayesian Principles, "
    "arXiv:1906.02506",
    bayesian=True,
    hyperparameters=(
        HyperParameter(
            name="lr", kind="float", default=AUTO, minimum=0.0, maximum=1e6,
            open_minimum=True, automatic="4000 / training examples",
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
            open_minimum=True, maximum=1e6, automatic="8000 / training examples",
            help="Curvature before any data; the step starts near lr divided by it.",
        ),
        _PRIOR_PRECISION,
        _TEMPERATURE,
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
        _AUGMENTATION_FACTOR,
        _NUM_SAMPLES,
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
        _BATCH_NORM,
    ),
)  # fmt: skip

# What those with Kronecker-factored curvature share.
_NATURAL_LR = learning_rate(0.1, "Learning rate of the natural-gradient step.")
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
_FACTOR_INTERVAL = HyperParameter(
    name="factor_interval", kind="int", default=10, minimum=1,
    maximum=100_000, unit="steps",
    help="Steps between refreshes of the curvature; those between cost less.",
)  # fmt: skip
_FACTOR_DECAY = HyperParameter(
    name="factor_decay", kind="float", default=0.95, minimum=0.0, maximum=1.0,
    open_maximum=True, help="Weight of the past in the curvature average.",
)  # fmt: skip
_INVERSE_INTERVAL = HyperParameter(
    name="inverse_interval", kind="int", default=0, minimum=0,
    maximum=100_000, unit="steps",
    help="Steps between two inversions of the curvature; 0 for one at each of "
    "its refreshes.",
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

KFAC = OptimizerSpec(
    name="kfac",
    title="K-FAC",
    family="natural",
    summary="Natural gradient with Kronecker-factored curvature: fewer steps than "
    "first-order methods, the more so the larger the batch; one set of weights.",
    paper="Martens and Grosse (2015), Optimizing Neural Networks with "
    "Kronecker-factored Approximate Curvature, arXiv:1503.05671; Grosse and Martens "
    "(2016), A Kronecker-factored Approximate Fisher Matrix for Convolution Layers, "
    "arXiv:1602.01573",
    bayesian=False,
    hyperparameters=(
        _NATURAL_LR,
        VELOCITY,
        _DAMPING,
        _FACTOR_INTERVAL,
        _KL_CLIP,
        _L2,
        NESTEROV,
        _FACTOR_DECAY,
        _INVERSE_INTERVAL,
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

NOISY_KFAC = OptimizerSpec(
    name="noisy_kfac",
    title="Noisy K-FAC",
    family="variational",
    summary="Natural-gradient variational inference with a matrix Gaussian for each "
    "layer: as VOGN, with weights that are correlated along inputs and outputs.",
    paper="Zhang et al. (2018), Noisy Natural Gradient as Variational Inference, "
    "arXiv:1712.02390",
    bayesian=True,
    damped_by=("damping", "prior_precision"),
    hyperparameters=(
        learning_rate(0.03, _NATURAL_LR.help),
        VELOCITY,
        HyperParameter(
            name="damping", kind="float", default=AUTO, minimum=0.0, maximum=1e6,
            automatic="200 / training examples",
            help="Added to the curvature: bounds step and noise; 0 is the exact "
            "posterior.",
        ),
        _PRIOR_PRECISION,
        _TEMPERATURE,
        replace(_KL_CLIP, default=1e-3),
        _FACTOR_INTERVAL,
        _FACTOR_DECAY,
        _INVERSE_INTERVAL,
        HyperParameter(
            name="inversion", kind="choice", default="cholesky",
            choices=("cholesky", "eigen"),
            help="cholesky for the paper's matrix Gaussian; eigen for the exact one, "
            "which takes longer.",
        ),
        _LABELS,
        _SHARING,
        _AUGMENTATION_FACTOR,
        _NUM_SAMPLES,
        _BATCH_NORM,
    ),
)  # fmt: skip

SP_NGD = OptimizerSpec(
    name="sp_ngd",
    title="SP-NGD",
    family="natural",
    summary="Scalable natural gradient: K-FAC that refreshes each statistic only when "
    "it has changed and shares the work between processes; one set of weights.",
    paper="Osawa et al. (2020), Scalable and Practical Natural Gradient for "
    "Large-Scale Deep Learning, arXiv:2002.06015",
    bayesian=False,
    hyperparameters=(
        _NATURAL_LR,
        VELOCITY,
        _DAMPING,
        HyperParameter(
            name="staleness", kind="float", default=0.1, minimum=0.0, maximum=100.0,
            help="Relative change up to which a statistic counts as unchanged and is "
            "refreshed more rarely; 0 refreshes all at every step.",
        ),
        replace(_FACTOR_DECAY, default=0.8),
        _KL_CLIP,
        _L2,
        NESTEROV,
        _LABELS,
        _SHARING,
    ),
)  # fmt: skip

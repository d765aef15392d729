"""VOGN's siblings as plain data: IVON, Vadam, and OGN, which is VOGN without noise.

Torch-free; `trainers.catalogue` has them beside the others.
"""

from dataclasses import replace

from trainers.hyperparameters import HyperParameter, OptimizerSpec, learning_rate
from trainers.natural import VOGN

_OF_VOGN = {item.name: item for item in VOGN.hyperparameters}
# What only the noise has to do with.
_NOISY = (
    "temperature", "temperature_warmup", "initial_temperature", "augmentation_factor",
    "num_samples", "sampled", "batch_norm",
)  # fmt: skip
_START = "4000 / training examples"


def _shared(*names: str) -> tuple[HyperParameter, ...]:
    """Hyper-parameters as VOGN has them."""
    return tuple(_OF_VOGN[name] for name in names)


IVON = OptimizerSpec(
    name="ivon",
    title="IVON",
    family="variational",
    summary="Improved variational online Newton: a Gaussian over the weights at the "
    "cost of AdamW, its curvature taken from the noise instead of single examples.",
    paper="Shen et al. (2024), Variational Learning is Effective for Large Deep "
    "Networks, arXiv:2402.17641",
    bayesian=True,
    hyperparameters=(
        learning_rate(0.5, "Learning rate, comparable to that of SGD with momentum."),
        *_shared("momentum"),
        replace(
            _OF_VOGN["curvature_decay"],
            help="Weight of the past in the curvature average, whose estimates are "
            "noisy: closer to 1 for longer trainings.",
        ),
        replace(
            _OF_VOGN["initial_curvature"], automatic=_START,
            help="Curvature before any data, which gives the first noise.",
        ),
        *_shared(
            "prior_precision", "temperature", "temperature_warmup",
            "initial_temperature",
        ),
        replace(
            _OF_VOGN["damping"],
            help="Added to the curvature: bounds step and noise; 0 is the exact "
            "posterior.",
        ),
        HyperParameter(
            name="clip_radius", kind="float", default=0.0, minimum=0.0, maximum=1e6,
            help="Largest change of a weight in a step, before the learning rate; 0 "
            "for no limit.",
        ),
        *_shared("weight_decay", "augmentation_factor", "num_samples", "batch_norm"),
    ),
)  # fmt: skip

VADAM = OptimizerSpec(
    name="vadam",
    title="Vadam",
    family="variational",
    summary="Adam at weights drawn from a Gaussian, whose precision it takes from its "
    "average of squares: cheap, and cruder than VOGN and IVON.",
    paper="Khan et al. (2018), Fast and Scalable Bayesian Deep Learning by "
    "Weight-Perturbation in Adam, arXiv:1806.04854",
    bayesian=True,
    hyperparameters=(
        learning_rate(1e-2, "Learning rate, several times Adam's."),
        *_shared("momentum"),
        replace(
            _OF_VOGN["curvature_decay"],
            help="Weight of the past in the squared average.",
        ),
        replace(
            _OF_VOGN["initial_curvature"], automatic="16000 / training examples",
            help="Curvature before any data, which gives the first noise and is "
            "forgotten.",
        ),
        *_shared(
            "prior_precision", "temperature", "temperature_warmup",
            "initial_temperature",
        ),
        replace(
            _OF_VOGN["damping"], automatic=_START,
            help="Added to the curvature in the precision: bounds the noise; 0 is the "
            "paper's.",
        ),
        *_shared("weight_decay", "augmentation_factor", "num_samples", "batch_norm"),
    ),
)  # fmt: skip

OGN = OptimizerSpec(
    name="ogn",
    title="OGN",
    family="natural",
    summary="Online Gauss-Newton: VOGN without noise, one set of weights. What to tune "
    "first, until it keeps up with AdamW.",
    paper=VOGN.paper,
    bayesian=False,
    hyperparameters=tuple(
        item for item in VOGN.hyperparameters if item.name not in _NOISY
    ),
)

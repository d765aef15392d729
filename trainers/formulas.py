"""What every optimizer computes, and when it is the right one: torch-free data.

The catalogue says what an optimizer takes, this what it does.
"""

from trainers.collected_formulas import MC_DROPOUT, SWAG
from trainers.curved_formulas import LAPLACE
from trainers.ensembles_formulas import ENSEMBLE, MULTI_VOGN
from trainers.formula import BETA, GRADIENT, LR, THETA, Formula, Symbol
from trainers.monte_carlo_formulas import SGHMC, SGLD, SNAPSHOT
from trainers.natural_formulas import KFAC, NOISY_KFAC, SP_NGD, VOGN
from trainers.variational_formulas import IVON, OGN, VADAM

_ADAM = (
    r"m \leftarrow \beta_1 m + (1 - \beta_1)\, g, \qquad "
    r"u \leftarrow \beta_2 u + (1 - \beta_2)\, g^2"
)
_MOMENTS = (
    Symbol("m", r"running mean of the gradient, $\hat m$ corrected for its start"),
    Symbol("u", r"running mean of its square, likewise $\hat u$"),
    LR,
    Symbol(r"\beta_1", "weight of the past in $m$", "beta1"),
    Symbol(r"\beta_2", "weight of the past in $u$", "beta2"),
)
_ADAMW = Formula(
    lines=(
        _ADAM,
        r"\theta \leftarrow (1 - \eta \lambda)\, \theta - \eta\, "
        r"\frac{\hat m}{\sqrt{\hat u} + \epsilon}",
    ),
    symbols=(
        GRADIENT,
        *_MOMENTS,
        Symbol(r"\lambda", "decoupled weight decay", "weight_decay"),
        Symbol(r"\epsilon", r"$10^{-8}$, against division by 0"),
        THETA,
    ),
    good_for=(
        "The baseline that every comparison wants, and the cheapest step but SGD's.",
        "Transformers, and whatever its settings are known for.",
    ),
    less_for=(
        "You need uncertainty: on the benchmark below it is calibrated less well than "
        "VOGN, and notices fewer inputs from elsewhere.",
        "Batches of tens of thousands, where it needs several times K-FAC's steps or "
        "does not get there.",
    ),
    limits=("The square of the mean gradient is no curvature: it shrinks with noise.",),
    code="torch.optim.AdamW",
)
_SGD = Formula(
    lines=(
        r"v \leftarrow \beta v + g + \lambda \theta, \qquad "
        r"\theta \leftarrow \theta - \eta v",
    ),
    symbols=(
        GRADIENT,
        Symbol("v", "velocity"),
        LR,
        BETA,
        Symbol(r"\lambda", "L2 penalty", "weight_decay"),
        THETA,
    ),
    good_for=("The cheapest step there is, and the oldest baseline.",),
    less_for=(
        "You need uncertainty, or have no time to find its learning rate.",
        "Large batches: the number of steps stays, and each costs more.",
    ),
    limits=("Its learning rate depends on the scale of the loss and on the network.",),
    code="torch.optim.SGD",
)
_LAMB = Formula(
    lines=(
        _ADAM,
        r"q = \frac{\hat m}{\sqrt{\hat u} + \epsilon} + \lambda \theta, \qquad "
        r"\theta \leftarrow \theta - \eta\, "
        r"\frac{\lVert \theta \rVert}{\lVert q \rVert}\, q",
    ),
    symbols=(
        Symbol("g", "gradient, first clipped as a whole to `max_grad_norm`"),
        *_MOMENTS,
        Symbol("q", "step of a layer before it is scaled to the size of its weights"),
        Symbol(r"\lambda", "weight decay of matrices and filters", "weight_decay"),
        Symbol(r"\epsilon", r"$10^{-6}$, against division by 0"),
        THETA,
    ),
    good_for=("A first-order baseline for large batches.",),
    less_for=(
        "Small networks: K-FAC and SP-NGD need a fraction of its steps on the "
        "benchmark below.",
        "You need uncertainty: this is one set of weights.",
    ),
    limits=(
        "Biases and norm layers have neither decay nor a scaled step, as in the paper.",
    ),
    code="timm.optim.Lamb",
)

FORMULAS: dict[str, Formula] = {
    "vogn": VOGN,
    "kfac": KFAC,
    "noisy_kfac": NOISY_KFAC,
    "sp_ngd": SP_NGD,
    "adamw": _ADAMW,
    "sgd": _SGD,
    "lamb": _LAMB,
    "ensemble": ENSEMBLE,
    "multi_vogn": MULTI_VOGN,
    "mc_dropout": MC_DROPOUT,
    "swag": SWAG,
    "sgld": SGLD,
    "sghmc": SGHMC,
    "snapshot": SNAPSHOT,
    "ivon": IVON,
    "vadam": VADAM,
    "ogn": OGN,
    "laplace": LAPLACE,
}

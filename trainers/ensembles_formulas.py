"""What ensembles compute, and when they are the right ones: torch-free data."""

from dataclasses import replace

from trainers.formula import GRADIENT, LR, THETA, Formula, Symbol
from trainers.natural_formulas import VOGN as _VOGN

_CODE = "vogn_app/optim/ensemble.py"
_M = Symbol("M", "number of networks, of which $m$ is one", "members")
_P = Symbol(r"p(y \mid x)", "probability of class $y$ for the input $x$")
_NO_MEAN = (
    "There is no network at its mean: averaged weights of several networks are none. "
    "Logits and features that a run keeps are those of the first."
)

ENSEMBLE = Formula(
    lines=(
        r"p(y \mid x) = \tfrac{1}{M} \sum_{m=1}^M p(y \mid x, \theta_m)",
        r"\theta_m \leftarrow (1 - \eta \lambda)\, \theta_m - \eta\, "
        r"\frac{\hat v_m}{\sqrt{\hat u_m} + \epsilon}",
    ),
    symbols=(
        _P,
        _M,
        THETA,
        replace(GRADIENT, letter="g_m", meaning="gradient of member m over its batch"),
        Symbol(r"\hat v_m", "running mean of $g_m$, corrected for its start", "beta1"),
        Symbol(r"\hat u_m", "running mean of $g_m^2$, likewise", "beta2"),
        LR,
        Symbol(r"\lambda", "decoupled weight decay", "weight_decay"),
        Symbol(r"\epsilon", r"$10^{-8}$, against division by 0"),
    ),
    good_for=(
        "The predictions matter more than what they cost: accuracy and calibration "
        "both gain.",
        "Several GPUs or processes: they share out the members, and tell each other "
        "nothing while they train.",
    ),
    less_for=(
        "One network's budget of time and memory: VOGN takes about that.",
        "You want to know how sure each network is of its weights: take Multi-VOGN.",
    ),
    limits=(
        _NO_MEAN,
        "Mixup needs one process: the last mixed batches of others are in no "
        "checkpoint.",
    ),
    code=_CODE,
)

MULTI_VOGN = Formula(
    lines=(
        r"q(w) = \tfrac{1}{M} \sum_{m=1}^M \mathcal{N}\bigl(w; \mu_m, "
        r"\operatorname{diag}(1/P_m)\bigr)",
        r"p(y \mid x) = \int p(y \mid x, w)\, q(w)\, \mathrm{d}w",
        *_VOGN.lines[1:],
    ),
    symbols=(_P, _M, Symbol("q", "the posterior"), *_VOGN.symbols),
    good_for=(
        "As a deep ensemble, with a posterior around each of its networks: the doubt "
        "within an explanation of the data and between several.",
    ),
    less_for=("One network's budget of time and memory: take VOGN.",),
    limits=(_NO_MEAN, *_VOGN.limits),
    code=_CODE,
)

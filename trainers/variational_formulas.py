r"""What VOGN's siblings compute, and when they are the right ones.

The formulas are those of the docstrings in `vogn_app/optim`, in LaTeX. Torch-free;
`trainers.formulas` has them beside the others.
"""

from dataclasses import replace

from trainers.formula import BETA, GRADIENT, LR, Formula, Symbol
from trainers.natural_formulas import VOGN

_OF_VOGN = {symbol.letter: symbol for symbol in VOGN.symbols}
_MU, _N, _DELTA, _TAU, _RHO = (
    _OF_VOGN[letter] for letter in (r"\mu", "N", r"\delta", r"\tau", r"\rho")
)
_W, _P = _OF_VOGN["w"], _OF_VOGN["P"]
_GAMMA = replace(_OF_VOGN[r"\gamma"], meaning="bounds the noise")
_DRAW = r"w \sim \mathcal{N}\bigl(\mu, \operatorname{diag}(1/P)\bigr), \qquad "

IVON = Formula(
    lines=(
        _DRAW + r"P = \frac{N c}{\tau}, \qquad c = s + \gamma + \tfrac{\tau \delta}{N}",
        r"m \leftarrow \beta m + (1 - \beta)\, g, \qquad "
        r"\hat m = \frac{m}{1 - \beta^t}",
        r"s \leftarrow s + e + \frac{e^2}{2 c}, \qquad e = (1 - \rho)(f - s), \qquad "
        r"f = (w - \mu)\, g\, P",
        r"\mu \leftarrow \mu - \eta\, r\, \frac{\hat m + \tau \delta \mu / N}{c}",
    ),
    symbols=(
        _MU,
        _P,
        replace(_W, meaning="weights drawn from the posterior, at which $g$ is taken"),
        GRADIENT,
        Symbol("f", "estimate of the second derivatives, from the noise"),
        Symbol("s", "running mean of $f$: the curvature"),
        Symbol("e", "its change; the square keeps $c$ positive"),
        Symbol("c", "curvature with damping and prior"),
        Symbol("m", "running mean of the gradient"),
        Symbol("r", "$c$ at the start, so that the first steps are SGD's"),
        LR,
        BETA,
        _RHO,
        _N,
        _DELTA,
        _TAU,
        replace(_GAMMA, meaning="bounds step and noise"),
    ),
    good_for=(
        "Uncertainty at the price of AdamW: nothing is asked of single examples, so "
        "any layer and any loss will do, compiled models too.",
        "Long trainings of large networks, for which it was made.",
        "Curvature without residuals: on a quadratic loss, and without damping, it "
        "ends at the exact diagonal posterior.",
    ),
    less_for=(
        "Few steps: an estimate from one draw is noisy, so that the curvature hardly "
        "moves from its start in some hundred steps.",
        "Point predictions alone: SGD and AdamW have no noise in their way.",
    ),
    limits=(
        "A diagonal posterior: weights are independent of one another.",
        "The learning rate is SGD's, and depends on the network as that does.",
        "BatchNorm's scale and shift have no noise by default, and so no curvature.",
    ),
    code="vogn_app/optim/ivon.py",
)

VADAM = Formula(
    lines=(
        _DRAW + r"P = \frac{N (v + \rho^t s_0 + \gamma) + \tau \delta}{\tau}",
        r"m \leftarrow \beta m + (1 - \beta)\,"
        r"\bigl(g + \tfrac{\tau \delta}{N} \mu\bigr), \qquad "
        r"v \leftarrow \rho v + (1 - \rho)\, g^2",
        r"\mu \leftarrow \mu - \eta\, "
        r"\frac{\hat m}{\sqrt{\hat v} + \tau \delta / N + \epsilon}",
    ),
    symbols=(
        _MU,
        _P,
        _W,
        GRADIENT,
        Symbol("m", r"running mean of the gradient, $\hat m$ corrected for its start"),
        Symbol("v", r"running mean of its square, likewise $\hat v$"),
        Symbol("s_0", "curvature before any data", "initial_curvature"),
        Symbol(r"\epsilon", r"$10^{-8}$, against division by 0"),
        LR,
        BETA,
        _RHO,
        _N,
        _DELTA,
        _TAU,
        _GAMMA,
    ),
    good_for=(
        "A network whose Adam settings are known and that is to get a posterior.",
        "The historical comparison: what VOGN and IVON improve upon.",
    ),
    less_for=(
        "Uncertainty that can be trusted: VOGN and IVON measure the curvature.",
        "Large batches: the larger, the smaller the square of their mean gradient.",
    ),
    limits=(
        "The square of a mean gradient is about a batch-size-th of the curvature: the "
        "posterior is as wide as `damping` and `prior_precision` let it.",
        "The step divides by a root, which is no natural gradient: no exact end.",
        "A diagonal posterior: weights are independent of one another.",
    ),
    code="vogn_app/optim/vadam.py",
)

OGN = Formula(
    lines=tuple(line for line in VOGN.lines if r"\sim" not in line),
    symbols=tuple(
        replace(symbol, hyperparameter="")
        if symbol.letter in {"N", r"\tau"}
        else symbol
        for symbol in VOGN.symbols
        if symbol.letter not in {"w", "P"}
    ),
    good_for=(
        "The first half of tuning VOGN: find settings with which it keeps up with "
        "AdamW, then switch the noise on.",
        "A second-order method with a diagonal curvature, at the mean.",
    ),
    less_for=(
        "You need uncertainty: this is one set of weights, and VOGN costs the same.",
        "Few steps: K-FAC knows how weights depend on each other.",
    ),
    limits=(
        "Squared gradients of single examples shrink where the network fits the data, "
        "and steps grow: `damping` bounds them.",
    ),
    code=VOGN.code,
)

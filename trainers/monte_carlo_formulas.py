r"""What optimizers that keep weights compute, and when they are the right ones.

The formulas are those of the docstrings in `vogn_app/optim`, in LaTeX. Torch-free;
`trainers.formulas` has them beside the others.
"""

from trainers.formula import BETA, GRADIENT, THETA, Formula, Symbol

_AVERAGE = r"p(y \mid x) = \tfrac{1}{K} \sum_{k=1}^K p(y \mid x, \theta_k)"
_PREDICTION = Symbol("p", "probability of $y$ for the input $x$")
_LR = Symbol(
    r"\eta", "learning rate: falls to 0 along half a cosine in each cycle", "lr"
)
_CHAIN = (
    GRADIENT,
    Symbol(r"\xi", "standard normal, one number a weight; 0 while exploring"),
    Symbol(r"\tau", "temperature of the posterior", "temperature"),
    Symbol(
        r"\delta", r"precision of the prior $\mathcal{N}(0, I/\delta)$",
        "prior_precision",
    ),
    Symbol(
        "N", "training examples, times `augmentation_factor`", "augmentation_factor"
    ),
    THETA,
    Symbol("K", r"number of weights $\theta_k$ that are kept", "num_kept"),
    _PREDICTION,
)  # fmt: skip
_LIMITS = (
    "The noise of batches comes on top of the noise that is meant: small batches and "
    "large learning rates make the posterior wider than it should be.",
    "A training of usual length is short for a chain: what it visits depends on where "
    "it began. More cycles visit more, each less well trained.",
    "The schedule of the run has no effect: the cycles are the optimizer's own.",
)

SGLD = Formula(
    lines=(
        r"\theta \leftarrow \theta - \eta \bigl(g + \tfrac{\delta}{N} \theta\bigr) + "
        r"\sqrt{2 \eta \tau / N}\, \xi",
        _AVERAGE,
    ),
    symbols=(_LR, *_CHAIN),
    good_for=(
        "A posterior that is no Gaussian: the weights themselves, of several modes.",
        "The step costs no more than SGD's, and each weight kept is a whole network "
        "with its own BatchNorm statistics.",
    ),
    less_for=(
        "Short trainings: each cycle has to find a good network, and then to wander.",
        "Memory is short, or predictions have to be fast: both grow with `num_kept`.",
    ),
    limits=_LIMITS,
    code="vogn_app/optim/sgld.py",
)

SGHMC = Formula(
    lines=(
        r"v \leftarrow \beta v - \eta \bigl(g + \tfrac{\delta}{N} \theta\bigr) + "
        r"\sqrt{2 (1 - \beta)\, \eta \tau / N}\, \xi",
        r"\theta \leftarrow \theta + v",
        _AVERAGE,
    ),
    symbols=(Symbol("v", "velocity"), _LR, BETA, *_CHAIN),
    good_for=(
        "As SGLD, and faster: momentum finds the modes, and carries the walk along "
        "flat directions.",
        "Who has settings for SGD with momentum has them for this.",
    ),
    less_for=SGLD.less_for,
    limits=(
        *_LIMITS,
        "The paper's estimate of the noise of batches is 0 here.",
    ),
    code="vogn_app/optim/sghmc.py",
)

SNAPSHOT = Formula(
    lines=(
        r"v \leftarrow \beta v + g + \lambda \theta, \qquad "
        r"\theta \leftarrow \theta - \eta v",
        _AVERAGE,
    ),
    symbols=(
        GRADIENT,
        Symbol("v", "velocity"),
        _LR,
        BETA,
        Symbol(r"\lambda", "L2 penalty", "weight_decay"),
        THETA,
        Symbol("K", r"cycles, at whose ends are $\theta_k$", "cycles"),
        _PREDICTION,
    ),
    good_for=(
        "Much of what an ensemble gives, for the price of one training with SGD.",
        "Long trainings, which leave each cycle enough epochs.",
    ),
    less_for=(
        "Short trainings: the first snapshots are then bad networks, and predict "
        "with the others.",
        "Disagreement that can be relied on: networks of one training resemble each "
        "other more than those of a deep ensemble.",
    ),
    limits=(
        "The snapshots count alike; nothing chooses among them.",
        "The schedule of the run has no effect: the cycles are the optimizer's own.",
    ),
    code="vogn_app/optim/snapshot.py",
)

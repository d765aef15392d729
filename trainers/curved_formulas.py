r"""What the Laplace approximation computes, and when it is the right one.

The formulas are those of the docstrings in `vogn_app/optim`, in LaTeX. Torch-free;
`trainers.formulas` has them beside the others.
"""

from trainers.formula import GRADIENT, LR, THETA, Formula, Symbol

LAPLACE = Formula(
    lines=(
        r"\theta \leftarrow (1 - \eta \lambda)\, \theta - \eta\, "
        r"\frac{\hat m}{\sqrt{\hat u} + \epsilon}",
        r"q(w) = \mathcal{N}(\theta, C), \qquad "
        r"C^{-1} = \tfrac{N}{\tau}\, A \otimes G + \delta I",
        r"\delta = \arg\max_\delta\; \tfrac{1}{\tau} \log p(D \mid \theta) - "
        r"\tfrac{\delta}{2} \lVert \theta \rVert^2 + \tfrac{P}{2} \log \delta - "
        r"\tfrac{1}{2} \log \det C^{-1}",
    ),
    symbols=(
        THETA,
        GRADIENT,
        Symbol(r"\hat m", "running mean of $g$, corrected for its start", "beta1"),
        Symbol(r"\hat u", "running mean of $g^2$, likewise", "beta2"),
        LR,
        Symbol(r"\lambda", "decoupled weight decay", "weight_decay"),
        Symbol(r"\epsilon", r"$10^{-8}$, against division by 0"),
        Symbol("q", "posterior of the weights $w$"),
        Symbol("C", "covariance of a layer's weights, at the end of training"),
        Symbol(
            "A", "mean over rows of a layer's input of $a a^\\top$, a 1 for the bias"
        ),
        Symbol(
            "G",
            "the same of the gradients of its output, at labels of the model",
            "curvature",
        ),
        Symbol("N", "training examples"),
        Symbol(r"\tau", "below 1 the data weigh more", "temperature"),
        Symbol(
            r"\delta", r"precision of the prior $\mathcal{N}(0, I/\delta)$",
            "prior_precision",
        ),
        Symbol("P", "number of weights that have a posterior", "subset"),
        Symbol(r"p(D \mid \theta)", "likelihood of the training data $D$"),
    ),
    good_for=(
        "A network is trained already, or has to be trained in the ordinary way: "
        "nothing changes but one pass over the data at the end.",
        "A quick first answer: with the last layer alone predictions keep their "
        "accuracy, and cost hardly more.",
        "The precision of the prior is found without validation data.",
    ),
    less_for=(
        "Uncertainty of the features themselves: a posterior of the last layer knows "
        "little of inputs from elsewhere. VOGN and ensembles do.",
        "A posterior of all layers: training has not learnt to bear its draws, and "
        "predictions from them are often poor. VOGN's has.",
    ),
    limits=(
        "Draws are those of the linearised network for the last layer only.",
        "Networks that fit their training data perfectly have hardly any curvature "
        "left there: the posterior is then wide, and predictions are too careful.",
        "BatchNorm's scale and shift have no noise, nor have parameters that no known "
        "layer owns.",
        "Curvature at all labels takes as many backward passes as there are classes, "
        "short ones for the last layer; `curvature='fisher'` takes one.",
        "`structure='full'` needs a single layer of at most 8192 weights.",
    ),
    code="vogn_app/optim/laplace.py",
)  # fmt: skip

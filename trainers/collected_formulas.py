r"""What optimizers that collect a posterior compute: torch-free data.

The formulas are those of the docstrings in `vogn_app/optim`, in LaTeX;
`trainers.formulas` has them beside the others.
"""

from trainers.formula import BETA, GRADIENT, LR, THETA, Formula, Symbol

SWAG = Formula(
    lines=(
        r"v \leftarrow \beta v + g + \lambda \theta, \qquad "
        r"\theta \leftarrow \theta - \eta v",
        r"\bar\theta \leftarrow \bar\theta + \tfrac{1}{n} (\theta - \bar\theta), "
        r"\qquad d_n = \theta - \bar\theta",
        r"w = \bar\theta + \sqrt{\tfrac{c}{2}}\, \Bigl( \sqrt{u}\, z + "
        r"\tfrac{1}{\sqrt{K - 1}} \sum_{k=1}^K d_k\, z_k \Bigr)",
    ),
    symbols=(
        GRADIENT,
        Symbol("v", "velocity"),
        Symbol(
            r"\eta", "learning rate, which falls to a constant share of itself", "lr"
        ),
        BETA,
        Symbol(r"\lambda", "L2 penalty", "weight_decay"),
        THETA,
        Symbol(r"\bar\theta", "their mean over the $n$ collections so far"),
        Symbol("u", "their variance, each weight by itself"),
        Symbol("d_k", "the last $K$ deviations from the mean"),
        Symbol("K", "how many are kept", "max_rank"),
        Symbol("c", "factor of the covariance", "scale"),
        Symbol("z", "standard normal: one number a weight, and $z_k$ one a deviation"),
        Symbol("w", "weights drawn from the posterior"),
    ),
    good_for=(
        "A posterior at the cost of SGD: nothing is added to a step but a copy of the "
        "weights now and then.",
        "Better accuracy than SGD's own: the average of the weights often generalises "
        "better.",
    ),
    less_for=(
        "Short trainings: there must be a solution to wander around by `start`.",
        "Large networks on small devices: it holds `max_rank` copies of the weights.",
    ),
    limits=(
        "The width of the posterior is that of SGD's walk, which its learning rate "
        "decides, not the data and a prior alone.",
        "BatchNorm's running statistics are renewed for the average, by a pass over "
        "the training data at the end, and not for every draw.",
    ),
    code="vogn_app/optim/swag.py",
)

MC_DROPOUT = Formula(
    lines=(
        r"w = \theta \operatorname{diag}(z), \qquad "
        r"z_j = \begin{cases} 0 & \text{with probability } r \\ "
        r"1 / (1 - r) & \text{otherwise} \end{cases}",
        r"m \leftarrow \beta_1 m + (1 - \beta_1)\, g, \qquad "
        r"u \leftarrow \beta_2 u + (1 - \beta_2)\, g^2",
        r"\theta \leftarrow (1 - \eta \lambda)\, \theta - \eta\, "
        r"\frac{\hat m}{\sqrt{\hat u} + \epsilon}",
    ),
    symbols=(
        THETA,
        Symbol("z_j", "mask of the $j$-th input of a dense layer"),
        Symbol("r", "probability that an input is dropped", "rate"),
        Symbol("w", "weights drawn from the posterior"),
        Symbol("g", r"gradient at $w$, with a mask of its own for each example"),
        Symbol("m", r"running mean of the gradient, $\hat m$ corrected for its start"),
        Symbol("u", r"running mean of its square, likewise $\hat u$"),
        LR,
        Symbol(r"\beta_1", "weight of the past in $m$", "beta1"),
        Symbol(r"\beta_2", "weight of the past in $u$", "beta2"),
        Symbol(r"\lambda", "decoupled weight decay", "weight_decay"),
        Symbol(r"\epsilon", r"$10^{-8}$, against division by 0"),
    ),
    good_for=(
        "The cheapest posterior there is: the step is AdamW's, and its settings are.",
        "Networks with wide dense layers, which dropout helps anyway.",
    ),
    less_for=(
        "Networks with few dense layers, such as a residual network with one: there is "
        "little to drop.",
        "Doubt that shrinks with data: the rate is chosen, and stays what it was.",
    ),
    limits=(
        "Dense layers alone, and not the first, which sees the raw input; in code "
        "`layers` chooses others.",
        "Attention of `nn.MultiheadAttention` and tied weights have none.",
        "In training every example has a mask of its own; a draw is one mask for all, "
        "which is the same for each example by itself.",
    ),
    code="vogn_app/optim/mc_dropout.py",
)

r"""What the optimizers that use curvature compute, and when they are the right ones.

The formulas are those of the docstrings in `vogn_app/optim`, in LaTeX. Torch-free;
`trainers.formulas` has them beside the others.
"""

from trainers.formula import BETA, GRADIENT, LR, THETA, Formula, Symbol

_N = Symbol(
    "N", "training examples, times `augmentation_factor`", "augmentation_factor"
)
_DELTA = Symbol(
    r"\delta", r"precision of the prior $\mathcal{N}(0, I/\delta)$", "prior_precision"
)
_TAU = Symbol(r"\tau", "weight of the KL term", "temperature")
_GAMMA = Symbol(r"\gamma", "bounds step and noise", "damping")
_MU = Symbol(r"\mu", "mean of the posterior: the parameters themselves")
_FACTORS = (
    Symbol("A", "mean over rows of a layer's input of $a a^\\top$, a 1 for the bias"),
    Symbol(
        "G",
        "the same of the gradients of its output, each of its own example's loss: the "
        "mean of the loss is undone, so the batch size changes nothing",
    ),
    Symbol(r"\pi", "shares the damping between the two, from their traces"),
)
_NOT_AUGMENTED = (
    "Examples that are augmented count as one each unless `augmentation_factor` says "
    "otherwise."
)
_LINEAR = (
    "Layers without a rule of their own get a diagonal; `coverage()` says which is "
    "which, and one warning names what has no curvature."
)
_STATISTICS = "Statistics and their averages are corrected for their start at 0."
_DESCENT = (
    r"v \leftarrow \nu\,(\beta v + P + \lambda_w \theta), \qquad "
    r"\theta \leftarrow \theta - \eta v",
    r"\nu = \min\Bigl(1, \sqrt{\kappa \,/\, (\eta^2 \langle v, F v \rangle)}\Bigr)",
)
_DESCENDING = (
    Symbol("P", "natural gradient"),
    Symbol("v", "sum of natural gradients"),
    Symbol(r"\nu", r"scales the step down to the bound $\kappa$"),
    LR,
    BETA,
    Symbol(r"\lambda", "added to the curvature", "damping"),
    Symbol(r"\lambda_w", "L2 penalty", "weight_decay"),
    Symbol(
        r"\kappa", "bounds the change of the predictions by the step taken", "kl_clip"
    ),
    Symbol("F", r"the curvature, $A \otimes G$ in each layer"),
    THETA,
)

VOGN = Formula(
    lines=(
        r"w \sim \mathcal{N}\bigl(\mu, \operatorname{diag}(1/P)\bigr), \qquad "
        r"P = \frac{N (s + \gamma) + \tau \delta}{\tau}",
        r"m \leftarrow \beta m + (1 - \beta)\,"
        r"\bigl(g + \tfrac{\tau \delta}{N} \mu\bigr)",
        r"s \leftarrow \rho s + (1 - \rho)\, h, \qquad "
        r"h = \tfrac{1}{N_b} \sum_i g_i^2",
        r"\mu \leftarrow \mu - \eta\, \frac{\hat m}{s + \gamma + \tau \delta / N}, "
        r"\qquad \hat m = \frac{m}{1 - \beta^t}",
    ),
    symbols=(
        _MU,
        Symbol("P", "precision of the posterior"),
        Symbol("w", "weights drawn from the posterior, at which a step is computed"),
        Symbol("g", "mean over the batch of the gradients $g_i$ of single examples"),
        Symbol("h", "mean of their squares, over $N_b$ examples"),
        Symbol("s", "running mean of $h$: the curvature"),
        Symbol("m", "running mean of the gradient"),
        LR,
        BETA,
        Symbol(r"\rho", "weight of the past in $s$", "curvature_decay"),
        _N,
        _DELTA,
        _TAU,
        _GAMMA,
    ),
    good_for=(
        "You need to know how far a prediction can be trusted: calibration, inputs "
        "from elsewhere, selective prediction.",
        "One training, one set of hyper-parameters: an ensemble costs several.",
        "You have a loop you cannot change: `automatic=True` works in Lightning, "
        "Accelerate, the Hugging Face Trainer and timm.",
    ),
    less_for=(
        "Very small data or short trainings: the posterior stays near its narrow "
        "start, and VOGN close to SGD.",
        "Large batches with few steps: K-FAC and SP-NGD need fewer.",
        "Vision transformers from scratch with the default learning rate, which is "
        "too hot for them: `examples/timm_train.py` takes a seventh.",
    ),
    limits=(
        "A diagonal posterior: weights are independent of one another.",
        "`curvature='empirical'` carries the residuals: too narrow where errors exceed "
        "what the likelihood expects, too wide where they fall short; `'fisher'` does "
        "not, for one more backward pass where it is refreshed.",
        "BatchNorm mixes examples: in train mode squares are per-example "
        "contributions, and its scale and shift have no noise by default.",
        "Without `step(closure)` clip after the block, not inside it, and keep "
        "penalties on the weights out of the loss.",
        _NOT_AUGMENTED,
    ),
    code="vogn_app/optim/vogn.py",
)

KFAC = Formula(
    lines=(
        r"P = \bigl(G + \tfrac{\sqrt\lambda}{\pi} I\bigr)^{-1} g\, "
        r"\bigl(A + \pi \sqrt\lambda\, I\bigr)^{-1}",
        r"\pi = \sqrt{\frac{\operatorname{tr} A / d_{\text{in}}}"
        r"{\operatorname{tr} G / d_{\text{out}}}}",
        *_DESCENT,
    ),
    symbols=(
        Symbol("g", "gradient of a layer as a matrix, $d_{out}$ by $d_{in}$"),
        *_FACTORS,
        *_DESCENDING,
    ),
    good_for=(
        "Few steps: a quarter of SGD's or less on the benchmark below, the more so the "
        "larger the batch.",
        "Convolutional networks, where a step costs little more than SGD's.",
        "Any other optimizer with this curvature: `KroneckerPreconditioner` goes in "
        "front of it.",
    ),
    less_for=(
        "Layers much wider than the batch: their averaged inverses are dense and make "
        "a step several times as long; `factor_decay=0` keeps them cheap.",
        "You need uncertainty: this is one set of weights. Noisy K-FAC has a "
        "posterior of the same curvature.",
        "Regression with the empirical curvature: take `curvature='fisher', "
        "likelihood='gaussian'`.",
    ),
    limits=(
        _LINEAR,
        "Learning rate, momentum and damping are not searched for by the quadratic "
        "model, as the paper does.",
        _STATISTICS,
    ),
    code="vogn_app/optim/kfac.py",
)

SP_NGD = Formula(
    lines=(
        *KFAC.lines,
        r"D \leftarrow \begin{cases}"
        r"\max(1, \lfloor D_1 / 2 \rfloor) & X \not\approx X_1 \\"
        r"D_1 & X \approx X_1,\ X \not\approx X_2 \\"
        r"D_1 + D_2 & X \approx X_1,\ X \approx X_2 \end{cases}",
        r"X \approx Y: \quad \lVert X - Y \rVert < \alpha \lVert Y \rVert",
    ),
    symbols=(
        *KFAC.symbols,
        Symbol("X", "a statistic, one of $A$ and $G$; $X_1, X_2$ the last two of it"),
        Symbol("D", "steps to its next refresh; $D_1, D_2$ the last two"),
        Symbol(r"\alpha", "change up to which it counts as the same", "staleness"),
    ),
    good_for=(
        "Large batches on several processes: layers have owners, who invert, "
        "precondition and update; statistics travel as triangles, in half precision "
        "if wanted.",
        "Nobody wants to choose how often curvature is refreshed: each statistic says "
        "so itself.",
    ),
    less_for=(
        "Small noisy batches of wide layers: statistics never resemble each other, are "
        "refreshed often, and a step costs several times SGD's.",
        "You need uncertainty: this is one set of weights.",
    ),
    limits=(
        "Statistics are averages by their age, unlike the paper's, since training on "
        "those of one small batch is not stable; `factor_decay=0` is the paper's.",
        "Schedules, running mixup, random erasing and the rescaling of weights belong "
        "to the training loop: the recipe on the Launch page has them.",
        "Several ranks each hold a share of the state: call "
        "`consolidate_state_dict()` on all before `state_dict()`.",
    ),
    code="vogn_app/optim/sp_ngd.py",
)

NOISY_KFAC = Formula(
    lines=(
        r"w \sim \mathcal{N}(\mu, C), \qquad r = \sqrt{\gamma + \tau \delta / N}",
        r"C = \tfrac{\tau}{N}\, (A + \pi r I)^{-1} \otimes (G + \tfrac{r}{\pi} I)^{-1}",
        r"d = \tfrac{N}{\tau}\, C\, \bigl(g + \tfrac{\tau \delta}{N} \mu\bigr)",
        r"v \leftarrow \beta v + d, \qquad \mu \leftarrow \mu - \eta v",
    ),
    symbols=(
        _MU,
        Symbol("C", "covariance of a layer's weights"),
        Symbol("r", "damping and prior together, shared out by $\\pi$"),
        Symbol("w", "weights drawn from the posterior, at which a step is computed"),
        GRADIENT,
        *_FACTORS,
        Symbol("d", "natural gradient"),
        Symbol("v", "sum of natural gradients"),
        LR,
        BETA,
        _N,
        _DELTA,
        _TAU,
        _GAMMA,
    ),
    good_for=(
        "Uncertainty with correlations: weights of a layer vary together, along its "
        "inputs and outputs.",
        "Networks for which VOGN's diagonal is too crude, at K-FAC's price.",
    ),
    less_for=(
        "The cheapest step: VOGN's costs less where layers are wide.",
        "Point predictions alone: K-FAC has no noise in its way.",
    ),
    limits=(
        "`inversion='cholesky'`, the paper's, is never wider and up to twice as "
        "precise as the exact posterior; `'eigen'` is exact, and takes longer.",
        "`damping` and `prior_precision` must not both be 0.",
        "The first step is taken at the mean: a block has no noise before it was "
        "measured.",
        _NOT_AUGMENTED,
    ),
    code="vogn_app/optim/noisy_kfac.py",
)

"""First-order optimizers, and those of Adam's kin: torch-free data.

The baselines of every comparison; `trainers.catalogue` has them among the others.
"""

from trainers.hyperparameters import (
    NESTEROV,
    VELOCITY,
    HyperParameter,
    OptimizerSpec,
    learning_rate,
)

# Of the averages of Adam and its kin.
BETAS = (
    HyperParameter(
        name="beta1", kind="float", default=0.9, minimum=0.0, maximum=1.0,
        open_maximum=True, help="Weight of the past in the gradient average.",
    ),
    HyperParameter(
        name="beta2", kind="float", default=0.999, minimum=0.0, maximum=1.0,
        open_maximum=True, help="Weight of the past in the squared average.",
    ),
)  # fmt: skip

ADAMW = OptimizerSpec(
    name="adamw",
    title="AdamW",
    family="first_order",
    summary="Adam with decoupled weight decay: the everyday baseline, one set of "
    "weights.",
    paper="Loshchilov and Hutter (2019), Decoupled Weight Decay Regularization, "
    "arXiv:1711.05101",
    bayesian=False,
    hyperparameters=(
        learning_rate(1e-3, "Learning rate."),
        *BETAS,
        HyperParameter(
            name="weight_decay", kind="float", default=0.01, minimum=0.0,
            maximum=1e3, help="Decoupled weight decay.",
        ),
    ),
)  # fmt: skip

SGD = OptimizerSpec(
    name="sgd",
    title="SGD",
    family="first_order",
    summary="Stochastic gradient descent with momentum: the classic, one set of "
    "weights.",
    paper="Robbins and Monro (1951); Sutskever et al. (2013)",
    bayesian=False,
    hyperparameters=(
        learning_rate(0.05, "Learning rate."),
        VELOCITY,
        HyperParameter(
            name="weight_decay", kind="float", default=5e-4, minimum=0.0,
            maximum=1e3, help="L2 penalty on the weights.",
        ),
        NESTEROV,
    ),
)  # fmt: skip

LAMB = OptimizerSpec(
    name="lamb",
    title="LAMB",
    family="first_order",
    summary="Adam whose step is scaled, layer by layer, to the size of the weights: "
    "made for large batches, one set of weights.",
    paper="You et al. (2020), Large Batch Optimization for Deep Learning: Training "
    "BERT in 76 minutes, arXiv:1904.00962",
    bayesian=False,
    hyperparameters=(
        learning_rate(
            1e-3, "Learning rate: about the relative change of a layer in a step."
        ),
        *BETAS,
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

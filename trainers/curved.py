"""Posteriors of the curvature at trained weights: torch-free data.

`trainers.catalogue` has them among the other optimizers.
"""

from trainers.first_order import ADAMW
from trainers.hyperparameters import HyperParameter, OptimizerSpec

LAPLACE = OptimizerSpec(
    name="laplace",
    title="Laplace",
    summary="AdamW, and a Gaussian around the weights that it ends with, as wide as "
    "the training data leave it: uncertainty for one more pass over them.",
    paper="Daxberger et al. (2021), Laplace Redux - Effortless Bayesian Deep Learning, "
    "arXiv:2106.14806; Ritter et al. (2018), A Scalable Laplace Approximation for "
    "Neural Networks",
    bayesian=True,
    family="post_hoc",
    hyperparameters=(
        *ADAMW.hyperparameters,
        HyperParameter(
            name="subset", kind="choice", default="last_layer",
            choices=("last_layer", "all"),
            help="Which weights have a posterior; draws of all layers tend to predict "
            "worse than the trained weights.",
        ),
        HyperParameter(
            name="structure", kind="choice", default="kronecker",
            choices=("kronecker", "diagonal", "full"),
            help="What is held of a layer's curvature; full for the last layer, of at "
            "most 8192 weights.",
        ),
        HyperParameter(
            name="prior_choice", kind="choice", default="marginal_likelihood",
            choices=("marginal_likelihood", "layerwise", "fixed"),
            help="How the precision of the prior is chosen when training is done: by "
            "the marginal likelihood, one for all or one a layer, or not at all.",
        ),
        HyperParameter(
            name="prior_precision", kind="float", default=1.0, minimum=0.0,
            open_minimum=True, maximum=1e9,
            help="Precision of the prior where it is fixed.",
        ),
        HyperParameter(
            name="temperature", kind="float", default=1.0, minimum=0.0,
            open_minimum=True, maximum=100.0,
            help="Below 1 gives a colder, narrower posterior.",
        ),
        HyperParameter(
            name="curvature", kind="choice", default="exact",
            choices=("exact", "fisher", "empirical"),
            help="Curvature at all labels weighed by the model (a backward pass each), "
            "at labels drawn from the model, or at the data's labels.",
        ),
        HyperParameter(
            name="sharing", kind="choice", default="expand",
            choices=("expand", "reduce"),
            help="Whether the positions of an example count one by one, or summed.",
        ),
    ),
)  # fmt: skip

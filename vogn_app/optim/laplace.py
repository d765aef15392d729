"""The Laplace approximation: a Gaussian around the weights that training has found.

Papers: MacKay (1992), "A Practical Bayesian Framework for Backpropagation Networks";
Ritter, Botev, Barber (2018), "A Scalable Laplace Approximation for Neural Networks"
(Kronecker factors); Daxberger et al. (2021), "Laplace Redux - Effortless Bayesian Deep
Learning", arXiv:2106.14806 (last layer; prior by the marginal likelihood).

Training is AdamW's. At its end one pass over the training data measures the curvature
of the log-likelihood there, and the posterior is

    q(w) = N(w*, C),    C^-1 = (N / tau) F + delta I

Symbols:
    w*     the trained weights               N      num_data
    F      mean over examples of the curvature of -log p(y_i | w) at w*
    delta  prior_precision of N(0, I / delta)
    tau    temperature                       A, G   Kronecker factors of a layer's F

F is the Gauss-Newton matrix (curvature "exact": the average of g g^T over all labels,
weighed by the model), or that of labels drawn once ("fisher"), or of the data's own
labels ("empirical", the fastest and crudest); and of each layer's F

    "kronecker"   A x G; of norm layers 2x2 blocks, of layers without a rule a diagonal
    "diagonal"    the diagonal
    "full"        all of it, for a single layer

so that with "kronecker" C = (tau / N) (A x G + tau delta / N I)^-1 exactly, with no
factored damping. Layers are independent of each other.

prior_choice "marginal_likelihood" sets delta to the maximum of

    log p(D) ~ L / tau - (delta / 2) |w*|^2 + (P / 2) log delta - 1/2 log det C^-1

(`marginal_likelihood`), with L = log p(D | w*) and P weights in the subset; "layerwise"
gives each layer its own. weight_decay, which AdamW trains with, is left alone.

How to predict. Draws of all layers of a network that was not trained to bear them tend
to underfit, the more the smaller delta is: the Gaussian follows the curvature at w* to
places where the network is another function (Daxberger et al., appendix B, therefore
predict with the linearised network). In its last layer a network is linear: there draws
are those of the linearised network, f(x) + J(x) (w - w*), and it is the default.

Departures from the papers: weight and bias of a layer are one block; L is that of the
network in eval mode; delta stays in [1e-6, 1e9].
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from .._checks import check_choice, check_count, check_positive
from ..curvature.kronecker.blocks import Shape
from ..curvature.kronecker.layout import blocks_of, find_watched
from ..curvature.kronecker.rules import Sharing
from ..likelihoods import Likelihood, likelihood_named
from ..posterior import GaussianPosterior, MatrixGaussianPosterior
from ..posterior.matching import parameters_of, unwrap
from .adamw import check_adamw, check_adamw_state
from .collecting import Params, named_params
from .covered import kinds_of, named_parameters
from .groups import plain
from .loading import METHOD, check_method, check_plan
from .matrix_noise import layout_of
from .measuring import Batches, Way, check_finite, measure
from .mode_curvature import ModeCurvature, Priors
from .mode_fit import FACTORS, KEYS, ModeFit, fit_state, loaded_fit
from .noise import NoiseSource
from .passes import passes_named
from .subsets import LAST_LAYER, check_full, subset_of

NUM_DATA = "num_data"  # key of the state
# What a state in which something was measured must share with ours.
PLANNED = (
    "temperature", "subset", "structure", "prior_choice", "prior_precision", "curvature"
)  # fmt: skip
SHAPES: dict[str, Shape] = {
    "kronecker": "kronecker",
    "diagonal": "diagonal",
    "full": "layer",
}
PRIOR_CHOICES = ("marginal_likelihood", "layerwise", "fixed")


class Laplace(AdamW):
    """AdamW, with a posterior around the weights that it ends with.

    The loop is that of any torch optimizer; `finish` is called when it is done. Other
    optimizers, too, may have trained the network: then this one need not take a step.

    Args:
        model: The network.
        num_data: N >= 1, size of the training set.
        lr: Learning rate >= 0.
        betas: Weights of the past in AdamW's averages, in [0, 1).
        eps: Against division by 0, >= 0.
        weight_decay: Decoupled weight decay >= 0.
        subset: Which parameters have a posterior: "last_layer", "all", or those of a
            module, by its name. BatchNorm's and those without a layer that is known
            are deterministic. The last layer is the last module, in the network's
            order, with a weight of two or more dimensions. With a tied weight comes
            what it does elsewhere, too.
        structure: Of the posterior: "kronecker", "diagonal", or "full", for one layer
            of at most 8192 parameters.
        prior_choice: What delta is when training is done: what maximises the
            "marginal_likelihood", the same "layerwise", or "fixed".
        prior_precision: delta > 0 where it is fixed.
        temperature: tau > 0. 1 is the posterior of Bayes' rule; below 1 it is colder,
            that is narrower.
        curvature: "exact", by as many backward passes a batch as there are outputs;
            "fisher", by one at labels drawn from the model; or "empirical".
        likelihood: The one whose negative logarithm the loss is: "categorical",
            "bernoulli", "gaussian", or an object of `vogn_app.likelihoods`.
        sharing: What positions and tokens count as, "expand" or "reduce".
        seed: Seed of drawn labels.
        params: Parameters or parameter groups, all of them the model's; by default
            every parameter that requires a gradient. None can be added later. Frozen
            ones that are given have a posterior like the others, whoever trained them.

    Raises:
        ValueError: If an argument is out of range, or a parameter is not the model's.

    State:
        That of `torch.optim.AdamW`; `state_dict()` adds the factors and what was chosen
        for delta, once measured. A step after `finish` forgets them.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 3))
        >>> optimizer = Laplace(model, num_data=8)
        >>> x, y = torch.randn(8, 2), torch.randint(3, (8,))
        >>> for _ in range(10):
        ...     optimizer.zero_grad()
        ...     nn.functional.cross_entropy(model(x), y).backward()
        ...     optimizer.step()
        >>> optimizer.finish(lambda: [(x, y)])
        >>> probabilities = optimizer.posterior().predict_proba(model, x)
    """

    method = "Laplace"  # in its state and its posterior

    def __init__(
        self,
        model: nn.Module,
        *,
        num_data: int,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        subset: str = LAST_LAYER,
        structure: str = "kronecker",
        prior_choice: str = "marginal_likelihood",
        prior_precision: float = 1.0,
        temperature: float = 1.0,
        curvature: str = "exact",
        likelihood: str | Likelihood = "categorical",
        sharing: Sharing = "expand",
        seed: int = 0,
        params: Params | None = None,
    ) -> None:
        # Not called `model`, as those are that average over ranks by themselves.
        self.network = model
        self.num_data = check_count(NUM_DATA, num_data)
        self.structure = check_choice("structure", structure, tuple(SHAPES))
        self.prior_choice = check_choice("prior_choice", prior_choice, PRIOR_CHOICES)
        self.prior_precision = check_positive("prior_precision", plain(prior_precision))
        self.temperature = check_positive("temperature", plain(temperature))
        check_choice("sharing", sharing, ("expand", "reduce"))
        self.subset, self.curvature = subset, curvature
        found = likelihood_named(likelihood)
        passes_named(curvature, found, NoiseSource(seed).labels)  # says what is wrong
        self._way = Way(
            shape=SHAPES[structure], sharing=sharing, curvature=curvature,
            likelihood=found, seed=seed,
        )  # fmt: skip
        if params is None:
            params = [p for p in model.parameters() if p.requires_grad]
        rest = {"betas": betas, "eps": eps, "weight_decay": plain(weight_decay)}
        check_adamw({"lr": plain(lr), **rest})
        groups: Any = list(params)
        super().__init__(groups, lr=plain(lr), **rest)
        self._lay_out()
        self._fit: ModeFit | None = None
        # No `step` of our own: around that of AdamW torch puts hooks of users, too,
        # which would then be called twice.
        self.register_step_pre_hook(_forget)

    def _lay_out(self) -> None:
        """Find the blocks of the subset."""
        trained = [p for group in self.param_groups for p in group["params"]]
        named = named_parameters(self.network, trained)
        self._parameters = subset_of(self.network, named, self.subset)
        watched = find_watched(
            unwrap(self.network), self._parameters, self._way.shape, self._way.sharing
        )
        self._blocks = blocks_of(watched)
        if self.structure == "full":
            check_full(watched, self._blocks)
        names = {id(p): name for name, p in parameters_of(self.network).items()}
        simple = {name: names[id(p)] for name, p in self._parameters.items()}
        self._layouts = [layout_of(block, simple) for block in self._blocks.values()]

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Check the settings of a group; after construction there can be no more."""
        if "_blocks" in vars(self):
            raise ValueError(
                "params must all be given when the optimizer is made, got another "
                "group: include frozen ones that are to be trained later."
            )
        check_adamw({**self.defaults, **param_group})
        members = named_params(self.network, param_group["params"])
        super().add_param_group({**param_group, **members})

    # --- the posterior ----------------------------------------------------------------

    def finish(self, batches: Callable[[], Batches]) -> None:
        """Measure the curvature and choose the prior; does nothing the second time.

        Args:
            batches: Gives an iteration over the training data: inputs, examples first,
                and labels, on the network's device, without augmentation.

        Raises:
            ValueError: If there is no example.
            RuntimeError: If losses or curvature are not finite.
        """
        if self.has_posterior:
            return
        found = measure(self.network, self._parameters, batches(), self._way)
        check_finite(found)
        curvature = ModeCurvature.of(self._layouts, found.factors, self._strength)
        mean = found.log_likelihood / found.num_examples
        self._fit = ModeFit(curvature, mean, self._chosen_priors(curvature))

    @property
    def _strength(self) -> float:
        return self.num_data / self.temperature

    def _chosen_priors(self, curvature: ModeCurvature) -> Priors:
        if self.prior_choice == "fixed":
            return dict.fromkeys(curvature.layers, self.prior_precision)
        by_layer = self.prior_choice == "layerwise"
        return curvature.best_priors(self._mode(), by_layer=by_layer)

    def _mode(self) -> dict[str, Tensor]:
        return {name: p.detach() for name, p in parameters_of(self.network).items()}

    def _fitted(self) -> ModeFit:
        if self._fit is None:
            raise RuntimeError(
                "finish must be called on the training data before there is a "
                "posterior, and after the last step, got no call."
            )
        return self._fit

    @property
    def has_posterior(self) -> bool:
        """Whether the curvature at the present weights was measured."""
        return self._fit is not None

    @property
    def prior_precisions(self) -> dict[str, float]:
        """Delta by layer, as chosen; RuntimeError before `finish`."""
        return dict(self._fitted().priors)

    def coverage(self) -> dict[str, str]:
        """The kind of block that each parameter of the subset is in, "" without one."""
        return kinds_of(self._blocks, self._parameters)

    @torch.no_grad()
    def log_marginal_likelihood(self, prior_precision: float | None = None) -> float:
        """Laplace's approximation of log p(D), in nats; see the module's docstring.

        It is exact for networks that are linear in the subset and squared errors, at
        the mode of a posterior with that prior. It tells settings from each other only
        where they have the same subset.

        Args:
            prior_precision: delta > 0 for all layers; None for those chosen.

        Returns:
            log p(D).

        Raises:
            RuntimeError: Before `finish`.
            ValueError: If the precision is not > 0.
        """
        fit = self._fitted()
        priors = fit.priors
        if prior_precision is not None:
            given = check_positive("prior_precision", prior_precision)
            priors = dict.fromkeys(fit.curvature.layers, given)
        return fit.evidence(self._mode(), priors)

    @torch.no_grad()
    def posterior(self) -> GaussianPosterior | MatrixGaussianPosterior:
        """The posterior around the weights, to predict with, to report on and to save.

        Returns:
            A copy, a `GaussianPosterior` with structure "diagonal". Parameters outside
            the subset, and layers that no example went through, have no noise.

        Raises:
            RuntimeError: Before `finish`.
        """
        fit, metadata = self._fitted(), self._metadata()
        if self.structure == "diagonal":
            return fit.diagonal_posterior(self.network, metadata)
        return fit.matrix_posterior(self.network, self._mode(), metadata)

    def _metadata(self) -> dict[str, str | int | float]:
        return {
            "method": self.method,
            "num_data": self.num_data,
            "temperature": self.temperature,
            "subset": self.subset,
            "structure": self.structure,
        }

    # --- state ------------------------------------------------------------------------

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(
            f"{type(self).__name__} cannot be copied or pickled: make another for the "
            "copied model, and load this one's state_dict() there."
        )

    def state_dict(self) -> dict[str, Any]:
        """State, groups and what was measured; read with `weights_only=True`."""
        plan = {METHOD: self.method, NUM_DATA: self.num_data, **self._plan()}
        return {**super().state_dict(), **plan, **fit_state(self._fit)}

    def _plan(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in PLANNED}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` gave.

        Args:
            state_dict: From an optimizer of the same model and groups; where something
                was measured, of the same settings of the posterior, too.

        Raises:
            ValueError: If it is of another; nothing has changed then.
        """
        groups = ("state", "param_groups")
        wanted = (METHOD, NUM_DATA, *PLANNED, *KEYS, *groups)
        check_method(self.method, state_dict, wanted)
        check_plan({NUM_DATA: self.num_data}, state_dict)
        check_adamw_state(self.param_groups, state_dict)
        fit = None
        if state_dict[FACTORS] is not None:
            check_plan(self._plan(), state_dict)
            fit = loaded_fit(
                state_dict, self._blocks, self._layouts, self._parameters,
                self._strength,
            )  # fmt: skip
        super().load_state_dict({key: state_dict[key] for key in groups})
        self._fit = fit


def _forget(optimizer: Any, *_: Any) -> None:
    """Before a step: what was measured is not of the weights after it."""
    optimizer._fit = None

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

from collections.abc import Callable, Iterable, Mapping
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from .._checks import check_choice, check_count, check_number, check_positive
from ..curvature.kronecker.blocks import Shape
from ..curvature.kronecker.calls import Key
from ..curvature.kronecker.layout import blocks_of, find_watched
from ..curvature.kronecker.moments import Moment
from ..curvature.kronecker.rules import Sharing
from ..likelihoods import Likelihood, likelihood_named
from ..posterior import GaussianPosterior, MatrixGaussianPosterior
from ..posterior.matching import parameters_of, plain_names, unwrap
from .covered import kinds_of, named_parameters
from .factors import key_of, key_text, loaded_moment, saved_moment
from .groups import plain
from .loading import (
    METHOD,
    check_factors,
    check_method,
    check_names,
    check_shapes,
    check_sizes,
)
from .matrix_noise import layout_of
from .measuring import Batches, Way, check_finite, measure
from .mode_curvature import ModeCurvature
from .noise import NoiseSource
from .passes import passes_named
from .subsets import LAST_LAYER, check_full, subset_of

# Keys of the state.
NUM_DATA, FACTORS = "num_data", "factors"
LOG_LIKELIHOOD, PRIORS = "log_likelihood", "prior_precisions"  # the former a mean
SHAPES: dict[str, Shape] = {
    "kronecker": "kronecker",
    "diagonal": "diagonal",
    "full": "layer",
}
PRIOR_CHOICES = ("marginal_likelihood", "layerwise", "fixed")

Params = Iterable[nn.Parameter] | Iterable[dict[str, Any]]


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
            order, with a weight of two or more dimensions.
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
            every parameter that requires a gradient. None can be added later.

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
        self.subset, found = subset, likelihood_named(likelihood)
        passes_named(curvature, found, NoiseSource(seed).labels)  # says what is wrong
        self._way = Way(
            shape=SHAPES[structure], sharing=sharing, curvature=curvature,
            likelihood=found, seed=seed,
        )  # fmt: skip
        if params is None:
            params = [p for p in model.parameters() if p.requires_grad]
        rest = {"betas": betas, "eps": eps, "weight_decay": plain(weight_decay)}
        _check_group({"lr": plain(lr), **rest})
        groups: Any = list(params)
        super().__init__(groups, lr=plain(lr), **rest)
        self._lay_out()
        self._curvature: ModeCurvature | None = None
        self._log_likelihood = 0.0
        self._priors: dict[str, float] = {}

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
        _check_group({**self.defaults, **param_group})
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        named = [(self._name_of(p), p) for p in params]
        super().add_param_group({**param_group, "params": named})

    def _name_of(self, parameter: Tensor) -> str:
        for name, own in parameters_of(self.network).items():
            if own is parameter:
                return name
        raise ValueError(
            "params must be parameters of the model, got one that is not, of shape "
            f"{tuple(parameter.shape)}."
        )

    # --- steps ------------------------------------------------------------------------

    @overload  # type: ignore[override]  # torch says float, and returns tensors
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], Tensor]) -> Tensor: ...
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """A step of AdamW; what was measured at other weights is forgotten.

        Args:
            closure: Clears gradients, computes the loss, calls backward and returns it.

        Returns:
            The loss, or None without a closure.
        """
        self._forget()
        loss: Any = super().step(closure)
        return None if loss is None else torch.as_tensor(loss)

    def _forget(self) -> None:
        self._curvature, self._log_likelihood, self._priors = None, 0.0, {}

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
        self._take(found.factors, found.log_likelihood / found.num_examples)
        self._priors = self._chosen_priors()

    def _take(self, factors: dict[Key, Moment], log_likelihood: float) -> None:
        strength = self.num_data / self.temperature
        self._curvature = ModeCurvature.of(self._layouts, factors, strength)
        self._log_likelihood = log_likelihood

    def _chosen_priors(self) -> dict[str, float]:
        curvature = self._measured()
        if self.prior_choice == "fixed":
            return dict.fromkeys(curvature.layers, self.prior_precision)
        by_layer = self.prior_choice == "layerwise"
        return dict(curvature.best_priors(self._mode(), by_layer=by_layer))

    def _mode(self) -> dict[str, Tensor]:
        return {name: p.detach() for name, p in parameters_of(self.network).items()}

    def _measured(self) -> ModeCurvature:
        if self._curvature is None:
            raise RuntimeError(
                "finish must be called on the training data before there is a "
                "posterior, and after the last step, got no call."
            )
        return self._curvature

    @property
    def has_posterior(self) -> bool:
        """Whether the curvature at the present weights was measured."""
        return self._curvature is not None

    @property
    def prior_precisions(self) -> dict[str, float]:
        """Delta by layer, as chosen; RuntimeError before `finish`."""
        self._measured()
        return dict(self._priors)

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
        curvature, priors = self._measured(), self._priors
        if prior_precision is not None:
            given = check_positive("prior_precision", prior_precision)
            priors = dict.fromkeys(curvature.layers, given)
        likelihood = self._log_likelihood * self.num_data / self.temperature
        return likelihood - curvature.occam(self._mode(), priors)

    @torch.no_grad()
    def posterior(self) -> GaussianPosterior | MatrixGaussianPosterior:
        """The posterior around the weights, to predict with, to report on and to save.

        Returns:
            A copy, a `GaussianPosterior` with structure "diagonal". Parameters outside
            the subset, and layers that no example went through, have no noise.

        Raises:
            RuntimeError: Before `finish`.
        """
        curvature = self._measured()
        priors = curvature.by_parameter(self._priors)
        if self.structure != "diagonal":
            return MatrixGaussianPosterior.from_model(
                self.network,
                curvature.matrix_blocks(self._mode(), self._priors),
                prior_precision=priors,
                metadata=self._metadata(),
            )
        own = {simple: name for name, simple in plain_names(self.network).items()}
        precisions = curvature.precisions(self._priors)
        return GaussianPosterior.from_model(
            self.network,
            {own[name]: precision for name, precision in precisions.items()},
            prior_precision={own[name]: delta for name, delta in priors.items()},
            metadata=self._metadata(),
        )

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
        factors = None
        if self._curvature is not None:
            items = self._curvature.factors.items()
            factors = {key_text(key): saved_moment(moment) for key, moment in items}
        own = {
            METHOD: self.method,
            NUM_DATA: self.num_data,
            FACTORS: factors,
            LOG_LIKELIHOOD: self._log_likelihood,
            PRIORS: dict(self._priors),
        }
        return {**super().state_dict(), **own}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` gave.

        Args:
            state_dict: From an optimizer of the same model, groups, subset and
                structure.

        Raises:
            ValueError: If it is of another; nothing has changed then.
        """
        groups = ("state", "param_groups")
        wanted = (METHOD, NUM_DATA, FACTORS, LOG_LIKELIHOOD, PRIORS, *groups)
        check_method(self.method, state_dict, wanted)
        if state_dict[NUM_DATA] != self.num_data:
            raise ValueError(
                f"num_data must be {self.num_data} in the state to load, got "
                f"{state_dict[NUM_DATA]!r}."
            )
        check_sizes(self.param_groups, state_dict)
        check_names(self.param_groups, state_dict)
        check_shapes(self.param_groups, state_dict, ("exp_avg", "exp_avg_sq"))
        saved = state_dict[FACTORS]
        if saved is not None:
            check_factors(self._blocks, saved)
        super().load_state_dict({key: state_dict[key] for key in groups})
        self._forget()
        if saved is not None:
            self._take(self._loaded(saved), state_dict[LOG_LIKELIHOOD])
            self._priors = dict(state_dict[PRIORS])

    def _loaded(self, saved: Mapping[str, Any]) -> dict[Key, Moment]:
        first = {
            name: self._parameters[next(iter(block.parts.values())).name]
            for name, block in self._blocks.items()
        }
        return {
            key: loaded_moment(each, first[key[0]])
            for key, each in ((key_of(text), each) for text, each in saved.items())
        }


def _check_group(group: Mapping[str, Any]) -> None:
    """Check AdamW's settings; ValueError names the first wrong one."""
    check_number("lr", group["lr"], minimum=0)
    check_number("eps", group["eps"], minimum=0)
    check_number("weight_decay", group["weight_decay"], minimum=0)
    for number, beta in enumerate(group["betas"], 1):
        check_number(f"beta{number}", beta, minimum=0, maximum=1, open_maximum=True)

"""K-FAC: momentum on natural gradients of a Kronecker-factored curvature.

Paper: Martens and Grosse (2015), "Optimizing Neural Networks with Kronecker-factored
Approximate Curvature", arXiv:1503.05671; what P is, and all other papers:
`preconditioner`.

Symbols:
    g      gradient                  P      natural gradient, F^-1 g
    v      state["momentum_buffer"]  theta  parameters
    kappa  kl_clip                   lambda_w  weight_decay

    v     <- nu (momentum v + P + lambda_w theta)
    theta <- theta - lr u            u = v; with nesterov u = nu d + momentum v, where
                                     d = P + lambda_w theta
    nu    =  min(1, sqrt(kappa / (lr^2 <u, F u>))), of the u that nu = 1 gives

which without kappa (nu = 1) is torch.optim.SGD after a `KroneckerPreconditioner`.

The step lr u changes the distribution of the outputs by lr^2 <u, F u> / 2 (its
Kullback-Leibler divergence, to second order). With q = <v, F v> and F symmetric,

    q <- momentum^2 q + 2 momentum <v, g> + <P, g>,    then q <- nu^2 q

needs no product with F, nor does the host wait; and <u, F u> likewise. To bound <P, g>
alone, as is usual (Ba et al. 2017; `KroneckerPreconditioner`), leaves the sum v free to
be 1 / (1 - momentum) times as long, which is long enough to diverge while the curvature
still grows from its initial value; bounded here is the step that is taken.

Departures from the paper: no search for learning rate, momentum and damping by the
quadratic model. That q takes F of the present step for that of the past ones, and
weight decay is left out of it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .._checks import check_positive
from ..curvature.kronecker.blocks import Shape
from ..curvature.kronecker.operators import Inversion
from ..curvature.kronecker.rules import Sharing
from ..distributed import DEFAULT_GROUP, Group
from ..likelihoods import Likelihood
from .descent import MOMENTUM, buffer_of, check_descent, descend
from .early import wide
from .factors import loaded
from .gathered import LossScale, scale_of
from .groups import plain
from .loading import METHOD, check_method, check_settings, check_shapes, check_sizes
from .preconditioner import Damping, KroneckerPreconditioner
from .refresh import Interval
from .trust_region import inner, step_change, velocity_change

# Keys of the state.
PRECONDITIONER, CHANGES = "preconditioner", "changes"  # changes: q of each group
Params = Iterable[nn.Parameter] | Iterable[dict[str, Any]]


class KFAC(Optimizer):
    """Stochastic gradient descent with momentum on natural gradients.

    Settings marked * may differ between parameter groups.

    Args:
        model: The network; call it with the examples in the first dimension.
        lr: * Learning rate >= 0.
        momentum: * Weight of the past in the sum of natural gradients, in [0, 1).
        nesterov: * Whether to look ahead along that sum.
        weight_decay: * Added to the natural gradient times the weights, >= 0.
        damping: As `KroneckerPreconditioner`, as all that follow.
        factor_decay: Weight of the past in the statistics.
        factor_interval: Steps between refreshes of the statistics.
        inverse_interval: Steps between inversions.
        kl_clip: kappa > 0, bounds lr^2 <u, F u>, at each group's own lr; None for none.
        inversion: How the factors are inverted.
        shape: Of the blocks.
        curvature: At which labels gradients are taken.
        likelihood: What labels are drawn from.
        sharing: What positions count as.
        loss_reduction: What the loss does over the examples.
        process_group: The ranks to train with.
        distribution: How these share the work.
        communication_dtype: Type in which they exchange statistics.
        seed: Seed of drawn labels.
        params: Parameters or parameter groups, all of them the model's; by default
            every parameter that requires a gradient.

    Raises:
        ValueError: If an argument is out of range, or a parameter is not the model's.

    Gradients may be clipped or changed between `backward` and `step`: what stands in
    `.grad` is preconditioned. The statistics are those of the backward passes.

    State:
        `state[p]` holds "momentum_buffer"; `state_dict()` adds "method",
        "preconditioner" and "changes".

    Example:
        >>> model = nn.Linear(2, 3)
        >>> optimizer = KFAC(model, lr=0.1)
        >>> x, y = torch.randn(8, 2), torch.randint(3, (8,))
        >>> optimizer.zero_grad()
        >>> nn.functional.cross_entropy(model(x), y).backward()
        >>> optimizer.step()
    """

    # `GradScaler.step` then tells the scale, which the statistics carry squared.
    _step_supports_amp_scaling = True
    _method = "KFAC"  # what its states call it

    def __init__(
        self,
        model: nn.Module,
        lr: float = 0.1,
        *,
        momentum: float = 0.9,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        damping: Damping = 3e-3,
        factor_decay: float = 0.95,
        factor_interval: Interval = 10,
        inverse_interval: Interval | None = None,
        kl_clip: float | None = 3e-3,
        inversion: Inversion = "cholesky",
        shape: Shape = "kronecker",
        curvature: str = "empirical",
        likelihood: str | Likelihood = "categorical",
        sharing: Sharing = "expand",
        loss_reduction: str = "mean",
        process_group: Group = DEFAULT_GROUP,
        distribution: str | float = "communication",
        communication_dtype: torch.dtype | None = None,
        seed: int = 0,
        params: Params | None = None,
    ) -> None:
        settings = {
            "lr": lr,
            "momentum": momentum,
            "nesterov": nesterov,
            "weight_decay": weight_decay,
        }
        self._begin(
            model,
            params,
            settings,
            kl_clip,
            KroneckerPreconditioner,
            damping=damping,
            factor_decay=factor_decay,
            factor_interval=factor_interval,
            inverse_interval=inverse_interval,
            inversion=inversion,
            shape=shape,
            curvature=curvature,
            likelihood=likelihood,
            sharing=sharing,
            loss_reduction=loss_reduction,
            process_group=process_group,
            distribution=distribution,
            communication_dtype=communication_dtype,
            seed=seed,
        )

    def _begin(
        self,
        model: nn.Module,
        params: Params | None,
        defaults: dict[str, Any],
        kl_clip: float | None,
        preconditioner: Callable[..., KroneckerPreconditioner],
        **settings: Any,
    ) -> None:
        """Make the groups, and the preconditioner of all their parameters."""
        self.model = model
        self.loss_scale: LossScale | None = None
        self.kl_clip = None if kl_clip is None else check_positive("kl_clip", kl_clip)
        self._changes: Tensor | None = None  # q of each group
        groups: Any = params
        if params is None:
            groups = [p for p in model.parameters() if p.requires_grad]
        given = {name: plain(value) for name, value in defaults.items()}
        Optimizer.__init__(self, groups, given)
        every = [p for group in self.param_groups for p in group["params"]]
        self.preconditioner = preconditioner(model, params=every, **settings)
        named = self.preconditioner.parameters.items()
        self._names = {id(p): name for name, p in named}

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, as in any torch optimizer; its settings are checked."""
        rest = {k: plain(v) for k, v in param_group.items() if k != "params"}
        check_descent({**self.defaults, **rest})
        if "preconditioner" in vars(self):
            raise ValueError(
                "params must all be given when the optimizer is made, got a group that "
                "came later."
            )
        super().add_param_group({**param_group, **rest})

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear gradients, and what the passes that made them have said with them."""
        super().zero_grad(set_to_none=set_to_none)
        self.preconditioner.forget_passes()

    @overload  # type: ignore[override]  # torch says float, and returns tensors
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], Tensor]) -> Tensor: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """Update the parameters after backward passes.

        Args:
            closure: Clears gradients, computes the loss, calls backward and returns
                the loss.

        Returns:
            The loss, or None without a closure.

        Raises:
            RuntimeError: If `scaler.unscale_` was called but `loss_scale` is not set.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        found_inf = getattr(self, "found_inf", None)
        if found_inf is not None and self.preconditioner.any_rank(bool(found_inf)):
            self.preconditioner.skip()
            return loss
        gradients, natural = self.preconditioner.measured(self._scale())
        self._unscale(natural)
        factor = self._factor(gradients, natural)
        for group in self.param_groups:
            members = [p for p in group["params"] if self._names[id(p)] in natural]
            steps = [natural[self._names[id(p)]] for p in members]
            buffers = [self._buffer(p) for p in members] if group["momentum"] else []
            descend(members, steps, buffers, group, factor)
        self._after_update()
        return loss

    def _factor(
        self, gradients: Mapping[str, Tensor], natural: Mapping[str, Tensor]
    ) -> Tensor | None:
        """nu, which keeps the step within its bound; None where there is none."""
        if self.kl_clip is None:
            return None
        groups = self.param_groups
        each = [self._products(group, gradients, natural) for group in groups]
        scale = getattr(self, "grad_scale", None)
        products = torch.stack(each) if scale is None else torch.stack(each) / scale
        products = self._summed(products)
        old = self._changes
        old = torch.zeros_like(products[:, 0]) if old is None else old
        pairs = list(zip(groups, products, old, strict=True))
        steps = [group["lr"] ** 2 * step_change(group, *rest) for group, *rest in pairs]
        factor = (self.kl_clip / torch.stack(steps).sum()).sqrt().clamp(max=1.0)
        news = [velocity_change(group["momentum"], *rest) for group, *rest in pairs]
        self._changes = torch.stack(news) * factor.square()
        return factor

    def _products(
        self,
        group: Mapping[str, Any],
        gradients: Mapping[str, Tensor],
        natural: Mapping[str, Tensor],
    ) -> Tensor:
        """<P, g> and <v, g> over a group."""
        first = group["params"][0]
        total = torch.zeros(2, dtype=wide(first), device=first.device)
        for parameter in group["params"]:
            name = self._names[id(parameter)]
            if name in natural:
                gradient = gradients[name]
                total[0] += inner(natural[name], gradient)
                if group["momentum"]:
                    total[1] += inner(self._buffer(parameter), gradient)
        return total

    def _summed(self, numbers: Tensor) -> Tensor:
        """Sums over layers that ranks may know a share of, whole."""
        return numbers

    def _after_update(self) -> None:
        """For subclasses whose ranks update a share of the weights each."""

    def _scale(self) -> float | Tensor | None:
        """What the loss was multiplied by, None for nothing."""
        given = getattr(self, "grad_scale", None)
        given = self.loss_scale if given is None else given
        if given is None and getattr(self, "found_inf", None) is not None:
            raise RuntimeError(
                "loss_scale must be set on the optimizer when "
                "scaler.unscale_(optimizer) is called, got None."
            )
        return None if given is None else scale_of(given)

    def _unscale(self, natural: Mapping[str, Tensor]) -> None:
        scale = getattr(self, "grad_scale", None)
        if scale is not None and natural:
            torch._foreach_mul_(list(natural.values()), 1 / scale)

    def _buffer(self, parameter: Tensor) -> Tensor:
        return buffer_of(self.state[parameter], parameter)

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(
            f"{type(self).__name__} cannot be copied or pickled: make another for the "
            "copied model, and load this one's state_dict() there."
        )

    def figures(self) -> dict[str, float]:
        """As `KroneckerPreconditioner.figures`."""
        return self.preconditioner.figures()

    def state_dict(self) -> dict[str, Any]:
        """State, groups and statistics; read with `weights_only=True`."""
        own = {
            METHOD: self._method,
            PRECONDITIONER: self.preconditioner.state_dict(),
            CHANGES: self._changes,
        }
        return {**super().state_dict(), **own}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` gave.

        Args:
            state_dict: Of an optimizer of the same model and groups, trained in any
                number of processes.

        Raises:
            ValueError: If it is of another optimizer, model, groups or `shape`; nothing
                has changed then.
        """
        groups = "state", "param_groups"
        wanted = METHOD, PRECONDITIONER, CHANGES, *groups
        check_method(self._method, state_dict, wanted)
        check_sizes(self.param_groups, state_dict)
        check_settings(self.param_groups, state_dict, self.defaults)
        check_shapes(self.param_groups, state_dict, (MOMENTUM,))
        changes, num = state_dict[CHANGES], len(self.param_groups)
        if changes is not None and changes.shape != (num,):
            raise ValueError(
                f"{CHANGES} must have shape ({num},) in the state to load, got "
                f"{tuple(changes.shape)}."
            )
        self.preconditioner.check_state(state_dict[PRECONDITIONER])
        super().load_state_dict({key: state_dict[key] for key in groups})
        self.preconditioner.load_state_dict(state_dict[PRECONDITIONER])
        like = self.param_groups[0]["params"][0]
        self._changes = None if changes is None else loaded(changes, like)

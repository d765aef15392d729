"""Optimizers that put a posterior together from the weights they come by.

Their loop is that of any torch optimizer: `zero_grad(); loss.backward(); step()`. What
they share: parameters known by name, a count of steps, the end of a step at which
something may be collected, and a state that says whose it is.
"""

import copy
from abc import abstractmethod
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.sgd import sgd

from .._checks import check_count
from ..posterior.base import Posterior
from ..posterior.matching import parameters_of
from .descent import MOMENTUM
from .groups import plain
from .loading import (
    METHOD,
    check_method,
    check_names,
    check_plan,
    check_settings,
    check_sizes,
)

Params = Iterable[nn.Parameter] | Iterable[dict[str, Any]]

NUM_STEPS, STEPS_DONE = "num_steps", "steps_done"  # keys of state_dict()


class CollectingOptimizer(Optimizer):
    """Base of optimizers that collect; subclasses say what, and how to step.

    Gradients are those of the mean loss over a batch. DistributedDataParallel averages
    them over the ranks, as for any torch optimizer, so that all ranks do the same.

    A `GradScaler` is understood: a step that it finds to overflow changes no weight,
    but counts, so that collecting stays in step with a learning-rate schedule.

    Args:
        network: The network, wrapped or not; what is collected goes by its plain names.
        params: Parameters or groups; None for all that require a gradient.
        defaults: Settings of a group.
        num_steps: Steps of the whole training, >= 1.

    Attributes:
        network: The network. It is not called `model`, which is how the trainer knows
            optimizers that average over ranks by themselves.
        num_steps: Steps of the whole training.
        steps_done: Steps so far.

    Raises:
        ValueError: If an argument is out of range, or a parameter is of another model.
    """

    # `GradScaler.step` then calls `step` also after an overflow.
    _step_supports_amp_scaling = True
    method = ""  # name of the subclass, in its state and its posterior
    # Attributes that a state to load must share; they cannot change on the way.
    _planned: tuple[str, ...] = (NUM_STEPS,)
    # More of a copy; copy network and optimizer in one `copy.deepcopy`.
    _copied: tuple[str, ...] = ("network", STEPS_DONE)

    def __init__(
        self,
        network: nn.Module,
        params: Params | None,
        defaults: dict[str, Any],
        *,
        num_steps: int,
    ) -> None:
        self.network = network
        self.num_steps = check_count(NUM_STEPS, num_steps)
        self.steps_done = 0
        if params is None:
            params = [p for p in network.parameters() if p.requires_grad]
        groups: Any = list(params)
        super().__init__(groups, {name: plain(v) for name, v in defaults.items()})

    @abstractmethod
    def _update(self) -> None:
        """Change the weights by their gradients; no gradient is recorded here."""
        raise NotImplementedError

    @abstractmethod
    def _collect(self) -> None:
        """Look at the weights after a step; `steps_done` counts it already."""
        raise NotImplementedError

    @property
    @abstractmethod
    def has_posterior(self) -> bool:
        """Whether there is something to draw from yet."""

    @abstractmethod
    def posterior(self) -> Posterior:
        """What was collected, as a posterior: a copy; RuntimeError if there is none."""

    def _check_group(self, group: dict[str, Any]) -> None:
        """Check all settings of a group; ValueError names the first wrong one."""

    def _resolved(self, settings: dict[str, Any]) -> dict[str, Any]:
        """The settings of a new group, with numbers for what follows from others."""
        return settings

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, as in any torch optimizer; its settings are checked.

        Args:
            param_group: `{"params": ..., setting: value, ...}`.

        Raises:
            ValueError: If a setting is out of range or a parameter is of another model.
        """
        members = named_params(self.network, param_group["params"])
        own = {k: plain(v) for k, v in param_group.items() if k != "params"}
        settings = self._resolved({**self.defaults, **own})
        self._check_group(settings)
        super().add_param_group({**settings, **members})

    @overload  # type: ignore[override]  # torch says float, and gets tensors
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], Tensor]) -> Tensor: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """Take a step, and collect what is to be collected after it.

        Args:
            closure: Clears the gradients, computes the loss, calls backward and returns
                the loss.

        Returns:
            The loss of the closure, None without one.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if self._may_step():
            self._update()
        self.steps_done += 1
        self._collect()
        return loss

    def _may_step(self) -> bool:
        """Undo the scale of the loss; False if a `GradScaler` found overflow."""
        found_inf: Tensor | None = getattr(self, "found_inf", None)
        scale: Tensor | None = getattr(self, "grad_scale", None)
        if found_inf is not None and bool(found_inf):
            return False
        if scale is not None:
            for gradient in (p.grad for p in self._members().values()):
                if gradient is not None:
                    gradient.div_(scale.to(gradient.device))
        return True

    def _members(self) -> dict[str, nn.Parameter]:
        """The parameters of all groups by name."""
        return {
            name: parameter
            for group in self.param_groups
            for name, parameter in zip(
                group["param_names"], group["params"], strict=True
            )
        }

    def _own_state(self) -> dict[str, Any]:
        """What a subclass saves, by names of its own: tensors are not copied."""
        return {}

    def _load_own(self, state: dict[str, Any]) -> None:
        """Restore what `_own_state` gave, after ValueError for what does not fit."""

    def state_dict(self) -> dict[str, Any]:
        """State, groups, counts and what was collected; read with `weights_only`."""
        plan = {name: getattr(self, name) for name in self._planned}
        own = {METHOD: self.method, STEPS_DONE: self.steps_done, **self._own_state()}
        return {**super().state_dict(), **plan, **own}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` gave; on every rank.

        Args:
            state_dict: From an optimizer of the same kind, groups and plan.

        Raises:
            ValueError: If it is of another; nothing is changed then.
        """
        wanted = ("state", "param_groups", METHOD, STEPS_DONE, *self._planned)
        check_method(self.method, state_dict, (*wanted, *self._own_state()))
        check_plan({name: getattr(self, name) for name in self._planned}, state_dict)
        check_sizes(self.param_groups, state_dict)
        check_names(self.param_groups, state_dict)
        check_settings(self.param_groups, state_dict, self.defaults)
        self._load_own(state_dict)
        # Copied, since torch goes on with the tensors it is given.
        taken = {key: state_dict[key] for key in ("state", "param_groups")}
        super().load_state_dict(copy.deepcopy(taken))
        self.steps_done = state_dict[STEPS_DONE]

    def __getstate__(self) -> dict[str, Any]:
        """What a copy needs."""
        own = {name: vars(self)[name] for name in (*self._planned, *self._copied)}
        return {**own, **super().__getstate__()}


def sgd_step(group: dict[str, Any], state: MutableMapping[Tensor, Any]) -> None:
    """A step of torch's SGD on the parameters of a group that have gradients.

    Args:
        group: `params`, `lr`, `momentum`, `weight_decay` and maybe `nesterov`.
        state: By parameter; keeps the velocity.
    """
    members = [p for p in group["params"] if p.grad is not None]
    velocities = [state[p].get(MOMENTUM) for p in members]
    sgd(
        members, [p.grad for p in members], velocities,
        weight_decay=group["weight_decay"], momentum=group["momentum"],
        lr=group["lr"], dampening=0.0, nesterov=group.get("nesterov", False),
        maximize=False,
    )  # fmt: skip
    if group["momentum"]:
        for parameter, velocity in zip(members, velocities, strict=True):
            state[parameter][MOMENTUM] = velocity


def named_params(network: nn.Module, params: Any) -> dict[str, Any]:
    """The part of a parameter group that says whose parameters it has.

    Args:
        network: The network, wrapped or not.
        params: Its parameters, alone or with names; one, several or none.

    Returns:
        "params" with plain names. A group without any gets the empty "param_names" that
        torch leaves out, whereupon it refuses the group beside others.

    Raises:
        ValueError: If a parameter is of another model or complex.
    """
    params = [params] if isinstance(params, Tensor) else list(params)
    names = {id(p): name for name, p in parameters_of(network).items()}
    named = [_named(parameter, names) for parameter in params]
    return {"params": named} if named else {"params": named, "param_names": []}


def _named(parameter: Any, names: dict[int, str]) -> tuple[str, nn.Parameter]:
    parameter = parameter[1] if isinstance(parameter, tuple) else parameter
    if id(parameter) not in names:
        raise ValueError(
            "params must be parameters of the model, got one that is not, of shape "
            f"{tuple(getattr(parameter, 'shape', ()))}."
        )
    name = names[id(parameter)]
    if parameter.is_complex():
        raise ValueError(f"params must be real, got {name} of {parameter.dtype}.")
    return name, parameter

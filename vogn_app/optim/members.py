"""Members of an ensemble: a network each, with an optimizer of its own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..posterior.base import Posterior
from ..posterior.gaussian import GaussianPosterior
from ..posterior.matching import buffers_of, listed, parameters_of
from .loading import check_sizes

MODEL, OPTIMIZER = "model", "optimizer"  # keys of a member's state


@dataclass(frozen=True, eq=False)
class Member:
    """One network of an ensemble.

    Args:
        model: The network.
        optimizer: Its own optimizer.
        seed: Of the order of its batches, for loops that give each its own.
    """

    model: nn.Module
    optimizer: Optimizer
    seed: int

    @property
    def has_posterior(self) -> bool:
        """Whether there is something to draw from yet."""
        return bool(getattr(self.optimizer, "has_posterior", True))

    def posterior(self) -> Posterior:
        """Its optimizer's own, or the weights as a point."""
        found = getattr(self.optimizer, "posterior", None)
        if found is None:
            return GaussianPosterior.from_model(self.model, {}, prior_precision={})
        posterior: Posterior = found()
        return posterior

    def state_dict(self) -> dict[str, Any]:
        """Weights, buffers and the optimizer's state."""
        return {
            MODEL: self.model.state_dict(),
            OPTIMIZER: self.optimizer.state_dict(),
        }

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Check that a state is of such a network and optimizer.

        Raises:
            ValueError: If it is not.
        """
        if missing := {MODEL, OPTIMIZER} - state.keys():
            raise ValueError(
                "members of the state to load must have model and optimizer, got none "
                f"of {', '.join(sorted(missing))}."
            )
        if different := _different(self.model.state_dict(), state[MODEL]):
            raise ValueError(
                "members of the state to load must have the tensors of the networks, "
                f"got a difference in {listed(different)}."
            )
        check_sizes(self.optimizer.param_groups, state[OPTIMIZER])

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` gave; `check_state` comes first."""
        self.optimizer.load_state_dict(state[OPTIMIZER])  # it may refuse
        self.model.load_state_dict(state[MODEL])

    def step(self, scale: Tensor | None, found_inf: Tensor | None) -> None:
        """Step, with what a `GradScaler` told the whole ensemble.

        Args:
            scale: That of the loss, None if the gradients have none (any more).
            found_inf: Above 0 after overflow in the gradients of any member; None
                without a scaler.
        """
        if found_inf is None:
            self.optimizer.step()
        elif getattr(self.optimizer, "_step_supports_amp_scaling", False):
            self._step_told(scale, found_inf)
        elif not bool(found_inf):
            self._unscale(scale)
            self.optimizer.step()

    def _step_told(self, scale: Tensor | None, found_inf: Tensor) -> None:
        """Let the optimizer do with the scale what it must; torch's own protocol."""
        told = vars(self.optimizer)
        told["grad_scale"], told["found_inf"] = scale, found_inf
        try:
            self.optimizer.step()
        finally:
            del told["grad_scale"], told["found_inf"]

    def _unscale(self, scale: Tensor | None) -> None:
        for group in self.optimizer.param_groups:
            for gradient in (p.grad for p in group["params"]):
                if scale is not None and gradient is not None:
                    gradient.div_(scale.to(gradient.device))


def check_alike(models: Sequence[nn.Module]) -> None:
    """Check that networks are of one architecture, as their mixture must be.

    Raises:
        ValueError: If they are not; names a few differences.
    """
    first, *others = ({**parameters_of(m), **buffers_of(m)} for m in models)
    for other in others:
        if different := _different(first, other):
            raise ValueError(
                "models must be of one architecture, got a difference in "
                f"{listed(different)}."
            )


def _different(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """Names that only one has, or under which shapes differ."""
    return sorted(ours.keys() ^ theirs.keys()) or list(_reshaped(ours, theirs))


def _reshaped(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    for name, own in ours.items():
        if isinstance(own, Tensor) and own.shape != theirs[name].shape:
            yield name


@torch.no_grad()
def components_of(members: Sequence[Member]) -> list[Any]:
    """What the mixture of all members consists of.

    Returns:
        The members' posteriors; of mixtures their components, first the first ones of
        all members. All of them count alike, as those of a mixture do.

    Raises:
        ValueError: If members are mixtures of different numbers.
    """
    strata = [member.posterior().strata for member in members]
    sizes = [len(each) for each in strata]
    if len(set(sizes)) > 1:
        raise ValueError(
            "members must have posteriors of as many components, which count alike, "
            f"got {', '.join(map(str, sizes))}."
        )
    return [each for turn in zip(*strata, strict=True) for each in turn]


def on_cpu(value: Any) -> Any:
    """A state without tensors on a device that another process may lack."""
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, Mapping):
        return {key: on_cpu(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(on_cpu, value))
    return value

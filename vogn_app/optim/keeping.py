"""Optimizers whose posterior is a mixture of weights that training came by."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..posterior.matching import buffers_of
from ..posterior.mixture import MixturePosterior
from .collecting import CollectingOptimizer, Params

KEPT = "kept"  # key of state_dict()
PARAMETERS, BUFFERS = "parameters", "buffers"  # keys of a point in it

Point = dict[str, dict[str, Tensor]]


class KeepingOptimizer(CollectingOptimizer):
    """Base of optimizers that keep the weights themselves after some of the steps.

    Kept are the parameters of its groups and the network's persistent buffers as they
    were, such as BatchNorm's running statistics: each time as much memory as the
    weights take, on their device. Parameters of no group are not kept; they are taken
    from the network when a posterior is asked for.

    Args:
        network: As for `CollectingOptimizer`, as are all arguments not named here.
        params: Parameters or groups.
        defaults: Settings of a group.
        num_steps: Steps of the whole training.
        keep_after: Numbers of steps, from 1, after which weights are kept.

    Attributes:
        kept: What was kept, the oldest first; not to be changed in place.
    """

    _copied = (*CollectingOptimizer._copied, KEPT, "_keep_after")

    def __init__(
        self,
        network: nn.Module,
        params: Params | None,
        defaults: dict[str, Any],
        *,
        num_steps: int,
        keep_after: Iterable[int],
    ) -> None:
        self.kept: list[Point] = []
        self._keep_after = frozenset(keep_after)
        super().__init__(network, params, defaults, num_steps=num_steps)

    def _collect(self) -> None:
        if self.steps_done in self._keep_after:
            parameters, buffers = self._members(), buffers_of(self.network)
            self.kept.append({
                PARAMETERS: _copies(parameters),
                BUFFERS: _copies(buffers),
            })

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, as in any torch optimizer; its settings are checked.

        Weights that were kept before count as kept with the parameters as they are.

        Args:
            param_group: `{"params": ..., setting: value, ...}`.

        Raises:
            ValueError: If a setting is out of range or a parameter is of another model.
        """
        super().add_param_group(param_group)
        if self.kept:
            added = set(self.param_groups[-1]["param_names"])
            members = {n: p for n, p in self._members().items() if n in added}
            copies = _copies(members)
            for point in self.kept:
                point[PARAMETERS].update(copies)

    @property
    def has_posterior(self) -> bool:
        """Whether any weights were kept yet."""
        return bool(self.kept)

    @torch.no_grad()
    def posterior(self) -> MixturePosterior:
        """The weights kept so far as a posterior: draw k is the k-th of them.

        Returns:
            A copy, which later steps leave alone and which needs no optimizer. Names
            are those in the model within wrappers.

        Raises:
            RuntimeError: If no weights were kept yet.
        """
        if not self.kept:
            first = min(self._keep_after)
            raise RuntimeError(
                f"posterior must be called after {first} steps, when the first weights "
                f"are kept, got {self.steps_done}."
            )
        points = [(point[PARAMETERS], point[BUFFERS]) for point in self.kept]
        metadata = self._metadata()
        return MixturePosterior.of_points(self.network, points, metadata=metadata)

    def _metadata(self) -> dict[str, str | int | float]:
        return {
            "method": self.method,
            "num_steps": self.steps_done,
            "num_kept": len(self.kept),
        }

    def _own_state(self) -> dict[str, Any]:
        return {KEPT: [{k: dict(v) for k, v in point.items()} for point in self.kept]}

    def _load_own(self, state: dict[str, Any]) -> None:
        members: Mapping[str, Tensor] = self._members()
        targets = {PARAMETERS: members, BUFFERS: buffers_of(self.network)}
        self.kept = [
            {kind: _taken(point[kind], ours) for kind, ours in targets.items()}
            for point in state[KEPT]
        ]


def _copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def _taken(saved: dict[str, Tensor], ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Saved tensors on the devices of ours, whose names and shapes they must have."""
    if saved.keys() != ours.keys():
        different = sorted(saved.keys() ^ ours.keys())
        raise ValueError(
            "kept weights to load must have the names of the network's, got a "
            f"difference in {', '.join(different)}."
        )
    for name, tensor in saved.items():
        if tensor.shape != ours[name].shape:
            raise ValueError(
                f"kept weights to load must have shape {tuple(ours[name].shape)} for "
                f"{name}, got {tuple(tensor.shape)}."
            )
    return {name: tensor.to(ours[name].device) for name, tensor in saved.items()}

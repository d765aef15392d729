"""Calls of the whole model, and what a second run of it gives."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import UnsupportedLayerError
from . import functional
from .accumulator import SquareAccumulator
from .functional import ModuleCall, listed, output_tensors

CallGroup = list[ModuleCall]  # calls on the same examples


class ModelCalls:
    """The model's calls in a block, in groups on the same examples.

    Calls whose backward has run are other examples; pending ones are the same.
    """

    def __init__(self) -> None:
        self._groups: list[CallGroup] = []

    def note(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> ModuleCall | None:
        """Keep a call, backward still to come; None if nothing needs a gradient."""
        outputs = output_tensors(output)
        if not outputs:
            return None
        call = ModuleCall.of(args, kwargs, outputs)
        if not self._groups or any(c.gradients for c in self._groups[-1]):
            self._groups.append([])
        self._groups[-1].append(call)
        for position, tensor in outputs.items():
            tensor.register_hook(_Setter(call, position))
        return call

    def is_first_of_group(self, call: ModuleCall) -> bool:
        """Whether no other pending call was made before this one."""
        return self._groups[-1][0] is call

    def lone_examples(self) -> int | None:
        """Examples of all calls so far, if they are the same ones."""
        return self._groups[0][0].num_examples if len(self._groups) == 1 else None

    def completed(self) -> list[CallGroup]:
        """Groups of the calls whose backward has run; others gave nothing."""
        groups = [[c for c in group if c.gradients] for group in self._groups]
        return [group for group in groups if group]


class _Setter:
    def __init__(self, call: ModuleCall, position: int) -> None:
        self.call, self.position = call, position

    def __call__(self, gradient: Tensor) -> None:
        self.call.gradients[self.position] = gradient


def count_examples(groups: list[CallGroup]) -> int:
    """Examples in all groups; calls of one group are on the same ones."""
    return sum(group[0].num_examples for group in groups)


def add_contributions(
    model: nn.Module,
    states: Mapping[str, SquareAccumulator],
    gradients: Mapping[str, Tensor],
    groups: list[CallGroup],
) -> None:
    """Add what a second run of the whole model gives.

    Args:
        model: The model.
        states: Fresh accumulators of the parameters wanted, by name.
        gradients: Gradient of each, as autograd left it.
        groups: The model's calls.

    Raises:
        UnsupportedLayerError: If the calls of a group are not on as many examples, or
            the model cannot be run again example by example.
    """
    if count_examples(groups) == 1:  # the only example's gradient is the gradient
        for name, state in states.items():
            state.add(gradients[name].unsqueeze(0))
        return
    for group in groups:
        _check_sizes(list(states), group)
        dtypes = set[torch.dtype]().union(*(call.dtypes for call in group))
        for state in states.values():
            state.computed_in(dtypes)
        _add_group(model, states, group)


def _add_group(
    model: nn.Module, states: Mapping[str, SquareAccumulator], group: CallGroup
) -> None:
    names = list(states)
    if len(group) == 1:
        for part in functional.contribution_chunks(model, names, group[0]):
            for name, state in states.items():
                state.add(part[name])
        return
    for call in group:
        parts = list(functional.contribution_chunks(model, names, call))
        for name, state in states.items():
            state.use()
            state.add_repeated(torch.cat([part[name] for part in parts]))
    for state in states.values():
        state.flush()


def _check_sizes(names: list[str], group: CallGroup) -> None:
    sizes = {call.num_examples for call in group}
    if len(sizes) > 1:
        raise UnsupportedLayerError(
            f"per-example gradients of {listed(names)} must come from calls of "
            "the model on the same examples, or with a backward pass in between, "
            f"got calls on {' and '.join(map(str, sorted(sizes)))} examples."
        )

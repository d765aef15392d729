"""The model's calls between two steps: how many examples, and which of them count."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, final

from torch import Tensor
from torch.utils.hooks import RemovableHandle

from ..functional import ModuleCall, output_tensors
from .moments import Moment

Key = tuple[str, str]  # block and side
Moments = dict[Key, Moment]


@dataclass(frozen=True)
class Use:
    """A call of a linear map.

    Args:
        block: Its block.
        x: Its input.
        c: Gradient of its output.
        first: Whether the block's parameters had no gradient yet.
    """

    block: str
    x: Tensor
    c: Tensor
    first: bool = False


@dataclass
class Call:
    """A call of the model.

    Args:
        num_examples: Examples in it.
        moments: Sums that were taken when it ended, at labels of the model's own.
        used: Whether a backward pass of the user's has since gone through it.
        uses: Calls of linear maps behind the moments, where they are kept.
        spoiled: Blocks of which the moments do not say all.
    """

    num_examples: int
    moments: Moments = field(default_factory=dict)
    used: bool = False
    uses: list[Use] = field(default_factory=list)
    spoiled: set[str] = field(default_factory=set)


@final
class Calls:
    """Calls in groups: those that one backward pass goes through.

    Of these, calls of one size are on the same examples.
    """

    def __init__(self) -> None:
        self._groups: list[list[Call]] = []
        self._marks: list[RemovableHandle] = []

    def note(
        self,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        output: Any,
        accumulates: Callable[[], bool],
    ) -> Call | None:
        """Note a call that ends; None if nothing in its output needs a gradient.

        Args:
            args: Its positional arguments.
            kwargs: Its keyword arguments.
            output: What it gave.
            accumulates: Whether a backward pass that runs reaches the parameters.

        Returns:
            The call.
        """
        outputs = output_tensors(output)
        if not outputs:
            return None
        call = Call(ModuleCall.of(args, dict(kwargs), outputs).num_examples)
        if not self._groups or self.returned:
            self._groups.append([])
        self._groups[-1].append(call)
        mark = partial(self._mark, call, accumulates)
        self._marks += [tensor.register_hook(mark) for tensor in outputs.values()]
        return call

    @property
    def any_used(self) -> bool:
        """Whether a backward pass went through any."""
        return any(call.used for group in self._groups for call in group)

    @property
    def num_examples(self) -> int:
        """Examples of all calls that backward passes went through."""
        return sum(
            sum({call.num_examples for call in group if call.used})
            for group in self._groups
        )

    def present(self, rows: int) -> int | None:
        """Examples of the call that a backward pass runs parts of again.

        Args:
            rows: What such a part has in the place of the examples.

        Returns:
            Their number, 0 if it may be one or another, None before any call.
        """
        if not self._groups:
            return None
        sizes = {call.num_examples for call in self._groups[-1]}
        return rows if rows in sizes else sizes.pop() if len(sizes) == 1 else 0

    @property
    def returned(self) -> bool:
        """Whether the examples of a call that begins are new ones."""
        return bool(self._groups) and any(call.used for call in self._groups[-1])

    @property
    def lone(self) -> int | None:
        """Examples of all calls, if one backward pass goes through them."""
        sizes = {call.num_examples for group in self._groups for call in group}
        alone = len(self._groups) == 1 and len(sizes) == 1
        return sizes.pop() if alone else None

    @property
    def only(self) -> Call | None:
        """The call, if there was a single one."""
        alone = len(self._groups) == 1 and len(self._groups[0]) == 1
        return self._groups[0][0] if alone else None

    @property
    def largest_group(self) -> int:
        """Most calls that one backward pass went through."""
        counts = (sum(call.used for call in group) for group in self._groups)
        return max(counts, default=0)

    def moments(self) -> Moments:
        """Sums of all calls that backward passes went through."""
        result: Moments = {}
        for group in self._groups:
            for call in group:
                if call.used:
                    add_all(result, call.moments)
        return result

    def uses(self) -> list[Use]:
        """Calls of linear maps in all calls that backward passes went through."""
        calls = (call for group in self._groups for call in group if call.used)
        return [use for call in calls for use in call.uses]

    @property
    def spoiled(self) -> set[str]:
        """Blocks of which the moments of a call that counts do not say all."""
        used = (call for group in self._groups for call in group if call.used)
        return {name for call in used for name in call.spoiled}

    def forget_used(self) -> None:
        """Forget the calls that backward passes went through, until another does."""
        waiting = [[call for call in g if not call.used] for g in self._groups]
        for group in self._groups:
            for call in group:
                call.used = False
        self._groups = [group for group in waiting if group]
        self._marks = [mark for mark in self._marks if mark.hooks_dict_ref()]

    def _mark(
        self,
        call: Call,
        accumulates: Callable[[], bool],
        gradient: Tensor,  # noqa: ARG002
    ) -> None:
        """Note that a backward pass is at a call, which may have been forgotten."""
        if call.used or not accumulates():
            return
        call.used = True
        if not any(call is each for group in self._groups for each in group):
            self._groups.append([call])

    def clear(self) -> None:
        """Forget all calls: their outputs may be kept."""
        for mark in self._marks:
            mark.remove()
        self._groups, self._marks = [], []


def add_all(sums: Moments, new: Mapping[Key, Moment]) -> None:
    """Add sums to others, in place."""
    for key, moment in new.items():
        sums[key] = sums[key] + moment if key in sums else moment

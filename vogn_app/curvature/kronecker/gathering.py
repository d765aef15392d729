"""Sums of statistics that grow while the passes run."""

from typing import final

from .blocks import ExampleBlock
from .calls import Moments, add_all
from .examples import ExampleGradients
from .moments import Moment


@final
class Gathering:
    """Sums by block and side, of what the passes have said so far."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._sums: Moments = {}
        self._examples: dict[str, ExampleGradients] = {}

    def add(self, block: str, side: str, moment: Moment) -> None:
        """Add to a sum."""
        add_all(self._sums, {(block, side): moment})

    def examples(self, block: ExampleBlock) -> ExampleGradients:
        """What gathers a block's per-example gradients."""
        if block.name not in self._examples:
            self._examples[block.name] = ExampleGradients(block)
        return self._examples[block.name]

    def so_far(self, block: str) -> Moments:
        """Sums with a block's among them, the same objects until more comes."""
        if block not in self._examples:
            return self._sums
        examples = self._examples[block]
        moment, (side,) = examples.so_far(), examples.block.sides
        return {} if moment is None else {(block, side): moment}

    def flush(self) -> None:
        """Note that what comes next is about other examples."""
        for examples in self._examples.values():
            examples.flush()

    def finish(self) -> Moments:
        """All sums, once no more can come for the examples so far."""
        for name, examples in self._examples.items():
            moment = examples.finish()
            if moment is not None:
                (side,) = examples.block.sides
                self.add(name, side, moment)
        self._examples = {}
        return self._sums

    def take(self) -> Moments:
        """All sums, which are then forgotten."""
        sums = self.finish()
        self.clear()
        return sums

"""Gather the statistics of blocks while the user's own passes run.

    capture = FactorCapture(model, parameters)
    capture.arm(due)                       # what the next step is to refresh
    loss_function(model(x), y).backward()
    gathered = capture.gather()

Hooks are on the layers whose statistics are due, and on no other. In a backward pass
that accumulates gradients they see a layer's input and the gradient of its output
(`taps`), and reduce both at once to sums of outer products, so that no activations are
held beyond what the backward pass holds itself. Passes without gradients, or whose
gradients are given to the caller, leave no trace.

With labels of the model's own (`labels`), the gradients come from passes of ours, which
run when a call of the model ends; of the user's pass it only counts that it happened.

A compiled model runs uncompiled while statistics are due: compiled graphs have no
hooks.

Where all gradients are gone when the model is called, as after `zero_grad`, what the
passes before have said is dropped with them: of a batch that was given up, of the first
half of a step of SAM, of a backward pass that failed.
"""

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge
from torch.nn.parallel import DistributedDataParallel

from ..evidence import full_precision
from ..labels import labelled_output
from ..layers import unwrapped
from ..recording import uncompiled
from ..uses import Purpose, in_backward, purpose_of
from .blocks import OUTPUTS, Block, ExampleBlock, KroneckerBlock, Shape
from .calls import Call, Calls, Moments, Use, add_all
from .copies import Hook
from .examples import ExampleGradients
from .layout import blocks_of, find_watched
from .moments import Moment
from .rules import Sharing
from .settled import OpenUses
from .watching import Later, LayerWatch

Due = Mapping[str, frozenset[str]]  # sides by block
# Gives the gradients w.r.t. an output, of N examples' own losses, one a pass.
Passes = Callable[[Tensor, int], Iterable[Tensor]]


@dataclass(frozen=True)
class Gathered:
    """What the passes since the last step have said.

    Args:
        moments: Sums by block and side: of rows of inputs, and of contributions as they
            came: scaled as the user's loss is, unless `plain`.
        num_examples: Examples behind them, of this process.
        plain: Whether contributions are gradients of each example's own loss.
        uses: The calls behind the moments, where they are kept.
    """

    moments: Moments
    num_examples: int
    plain: bool
    uses: tuple[Use, ...] = ()


@final
class FactorCapture:
    """Watches a model's layers.

    Args:
        model: The model; wrappers are looked through.
        parameters: Parameters to precondition, by their name within wrappers.
        shape: Shape of the blocks.
        sharing: What positions count as.
        passes: Gradients at labels of the model's own; None for the user's.
        keeps_uses: Whether inputs and output gradients are kept, too.
    """

    def __init__(
        self,
        model: nn.Module,
        parameters: Mapping[str, nn.Parameter],
        *,
        shape: Shape = "kronecker",
        sharing: Sharing = "expand",
        passes: Passes | None = None,
        keeps_uses: bool = False,
    ) -> None:
        self.parameters = dict(parameters)
        self.passes, self.keeps_uses = passes, keeps_uses
        inner, _ = unwrapped(model)
        self.watched = find_watched(inner, parameters, shape, sharing)
        self.blocks = blocks_of(self.watched)
        self.in_parallel = False  # whether a wrapper averages the gradients
        # Told which block's sums are complete, if the backward pass is the only one.
        self.on_settled: Callable[[str], None] = lambda _: None
        self._calls = Calls()
        self._stack, self._eager = ExitStack(), False
        self._begin()
        self._model_handles = (
            inner.register_forward_pre_hook(Hook(self._before_model)),
            inner.register_forward_hook(Hook(self._after_model), with_kwargs=True),
        )

    def close(self) -> None:
        """Take all hooks off the model."""
        self.disarm()
        for handle in self._model_handles:
            handle.remove()

    def _begin(self) -> None:
        self._due: Due = {}
        self._kept: set[str] = set()
        self._uses: list[Use] = []
        self._accumulated: dict[str, tuple[Tensor, int]] = {}  # with their versions
        self._sums: Moments = {}
        self._examples: dict[str, ExampleGradients] = {}
        self._later: list[Later] = []
        self._open_uses = OpenUses()
        self._calls.clear()

    def _accumulates(self) -> bool:
        """Whether the backward pass that runs accumulates parameters' gradients."""
        trained = (p for p in self.parameters.values() if p.requires_grad)
        nodes = (get_gradient_edge(p).node for p in trained)
        return purpose_of(nodes) is Purpose.ACCUMULATED

    def arm(self, due: Due, kept: Collection[str] = ()) -> None:
        """Watch for the statistics that the next step refreshes.

        Args:
            due: Sides by block; blocks that are left out are not watched.
            kept: Blocks whose calls are kept.
        """
        self.disarm()
        self._due = {name: sides for name, sides in due.items() if sides}
        self._kept = set(kept)
        for each in self.watched:
            names = {block.name for block in each.blocks}
            if names & (self._due.keys() | self._kept):
                self._stack.enter_context(LayerWatch(self, each).installed())
        for name in kept:
            for part in self.blocks[name].parts.values():
                note = Hook(partial(self._note_accumulated, part.name))
                parameter = self.parameters[part.name]
                handle = parameter.register_post_accumulate_grad_hook(note)
                self._stack.callback(handle.remove)
        self.run_uncompiled()

    def _note_accumulated(self, name: str, parameter: Tensor) -> None:
        assert parameter.grad is not None
        self._accumulated[name] = parameter.grad, parameter.grad._version

    def run_uncompiled(self) -> None:
        """From now on, where models are compiled and statistics are due."""
        if self._due and not self._eager and "torch._dynamo" in sys.modules:
            self._stack.enter_context(uncompiled())
            self._eager = True

    def disarm(self) -> None:
        """Take the hooks off the layers, and forget what they saw."""
        self._stack.close()
        self._eager = False
        self._begin()

    @torch.no_grad()
    def gather(self) -> Gathered:
        """What the passes since `arm` have said; the hooks stay.

        Raises:
            RuntimeError: If layers took part but the model itself was not called, or
                was called several times before one backward pass with labels of its
                own.
        """
        plain = self.passes is not None
        if plain and self._calls.largest_group > 1:
            raise RuntimeError(
                "curvature must be 'empirical' when the model is called several times "
                f"before a backward pass, got {self._calls.largest_group} calls: "
                "labels are drawn for each call alone."
            )
        sums = self._calls.moments() if plain else self._finish(self._sums)
        num = self._calls.num_examples
        if sums and num == 0:
            raise RuntimeError(
                "the model that the optimizer was given must itself be called, got "
                "calls of its layers alone: it tells the number of examples."
            )
        uses = self._calls.uses() if plain else self._uses
        return Gathered(sums, num, plain, tuple(uses))

    def _finish(self, sums: Moments) -> Moments:
        """Sums, with those of per-example gradients."""
        for name, examples in self._examples.items():
            moment = examples.finish()
            if moment is not None:
                (side,) = examples.block.sides
                add_all(sums, {(name, side): moment})
        self._examples = {}
        return sums

    @property
    def listens(self) -> bool:
        """Whether a forward pass that runs may have a backward pass to watch."""
        return (
            torch.is_grad_enabled()
            and not torch.compiler.is_compiling()
            and not torch._C._are_functorch_transforms_active()
        )

    @property
    def num_present(self) -> int | None:
        """Examples of the model's last call."""
        return self._calls.last

    def lone_examples(self) -> int | None:
        """Examples of all calls so far, if they are the same ones."""
        return self._calls.lone

    def is_due(self, block: str, side: str) -> bool:
        """Whether a statistic is to be refreshed."""
        return side in self._due.get(block, ())

    def examples(self, block: ExampleBlock) -> ExampleGradients:
        """What gathers a block's per-example gradients."""
        if block.name not in self._examples:
            self._examples[block.name] = ExampleGradients(block)
        return self._examples[block.name]

    def add(self, block: str, side: str, moment: Moment) -> None:
        """Add to a sum."""
        add_all(self._sums, {(block, side): moment})

    def note_use(self, blocks: Iterable[Block]) -> None:
        """Note that blocks take part in a forward pass."""
        if not in_backward():
            self._open_uses.open({block.name for block in blocks})

    def note_return(self, blocks: Iterable[Block]) -> None:
        """Note that backward has been at a use of blocks, and its sums were added."""
        names = dict.fromkeys(block.name for block in blocks)
        for name in self._open_uses.returned(names):
            self.on_settled(name)

    def so_far(self, block: str) -> Moments:
        """Sums of a block; `gather` gives the same objects unless more comes."""
        if self.passes is not None:
            call = self._calls.only
            sums = {} if call is None else call.moments
        elif block in self._examples:
            moment = self._examples[block].so_far()
            (side,) = self.blocks[block].sides
            sums = {} if moment is None else {(block, side): moment}
        else:
            sums = self._sums
        keys = [(block, side) for side in self._due.get(block, ())]
        return {key: sums[key] for key in keys if key in sums}

    def keep(self, block: KroneckerBlock, x: Tensor, c: Tensor) -> None:
        """Note a call of a linear map."""
        for_scales = self.keeps_uses and self.is_due(block.name, OUTPUTS)
        if for_scales or block.name in self._kept:
            own = (self.parameters[part.name] for part in block.parts.values())
            first = all(p.grad is None and not p._backward_hooks for p in own)
            self._uses.append(Use(block.name, x, c, first))

    def lone_uses(self) -> dict[str, Use]:
        """Kept calls that are all there is to the gradients of their block.

        Nothing was accumulated before or after, and nothing has changed since.
        """
        by_block: dict[str, list[Use]] = {}
        for use in self._uses:
            by_block.setdefault(use.block, []).append(use)
        return {
            name: uses[0]
            for name, uses in by_block.items()
            if len(uses) == 1 and uses[0].first and self._is_untouched(name)
        }

    def _is_untouched(self, name: str) -> bool:
        for part in self.blocks[name].parts.values():
            gradient = self.parameters[part.name].grad
            noted, version = self._accumulated.get(part.name, (None, 0))
            if (
                gradient is None
                or gradient is not noted
                or gradient._version != version
            ):
                return False
        return True

    def postpone(self, later: Later) -> None:
        """Note a layer's call whose gradients come from a pass of ours."""
        if not in_backward():  # a checkpoint that runs again was watched before
            self._later.append(later)

    def _before_model(self, *_: Any) -> None:
        """Drop what has been seen if the gradients that it goes with are gone."""
        if not self.listens or in_backward() or not self._calls.any_used:
            return
        if all(p.grad is None for p in self.parameters.values()):
            self._sums, self._examples = {}, {}
            self._uses, self._accumulated = [], {}
            self._open_uses = OpenUses()
            self._calls.clear()

    def _after_model(
        self,
        module: nn.Module,  # noqa: ARG002
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        output: Any,
    ) -> None:
        if not self.listens or in_backward():  # in a checkpoint around it
            return
        wrapper = DistributedDataParallel._get_active_ddp_module()
        self.in_parallel = wrapper is not None
        call = self._calls.note(args, kwargs, output, self._is_used)
        if call is not None and self.passes is not None and self._later:
            self._take(call, labelled_output(output))
        self._later = []

    def _is_used(self) -> bool:
        """Whether the backward pass that begins makes a call count."""
        used = self._accumulates()
        if used and self.passes is not None:
            for name in self._due:
                self.on_settled(name)
        return used

    def _take(self, call: Call, output: Tensor) -> None:
        """Run the passes from labels of the model's own."""
        assert self.passes is not None
        if not (output.requires_grad and call.num_examples):
            return
        edges = [edge for later in self._later for edge in later.edges]
        with full_precision(output):
            for number, start in enumerate(self.passes(output, call.num_examples)):
                found = iter(torch.autograd.grad(
                    output, edges, start, retain_graph=True, allow_unused=True
                ))  # fmt: skip
                with torch.no_grad():
                    self._take_pass(number, found)
        call.moments, self._sums = self._sums, {}
        call.uses, self._uses = self._uses, []

    def _take_pass(self, number: int, found: Iterator[Tensor | None]) -> None:
        for later in self._later:
            if later.watch.example_block is not None:
                self.examples(later.watch.example_block).open(recomputed=False)
        for later in self._later:
            gradients = [next(found) for _ in later.edges]
            later.take(gradients, number == 0)
        self._finish(self._sums)

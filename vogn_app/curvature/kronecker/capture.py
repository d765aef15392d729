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
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.hooks import RemovableHandle

from ..evidence import full_precision
from ..labels import labelled_output
from ..layers import unwrapped
from ..recording import uncompiled
from ..uses import accumulates, in_backward
from .blocks import OUTPUTS, Block, KroneckerBlock, Shape
from .calls import Call, Calls, Moments, Use
from .copies import Hook
from .gathering import Gathering
from .kept_uses import KeptUses
from .layout import Watched, blocks_of, find_watched
from .passes import Later, Passes, run_passes
from .present import LayerCall, Present
from .rules import Sharing
from .settled import OpenUses
from .watching import LayerWatch
from .watching_attention import AttentionWatch
from .watching_reruns import RerunWatch

Due = Mapping[str, frozenset[str]]  # sides by block


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
        self.gathering = Gathering()
        self._kept = KeptUses(self.parameters, self.blocks)
        self._calls = Calls()
        self.present: Present | None = None  # the call of the model that runs
        self._handles: list[RemovableHandle] = []  # of hooks in graphs
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
        self._kept.wanted = set()
        self._later: list[Later] = []
        self._forget()

    def _forget(self) -> None:
        """Drop what the passes have said."""
        self.gathering.clear()
        self._kept.clear()
        self._open_uses = OpenUses()
        self._calls.clear()
        self.present = None
        self._spoiled: set[str] = set()  # blocks some calls of which say nothing
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def forget_passes(self) -> None:
        """Drop what backward passes have said; calls that wait for theirs stay."""
        if self._calls.any_used:
            self.gathering.clear()
            self._kept.clear()
            self._spoiled.clear()
            self._calls.forget_used()

    def hold(self, handle: RemovableHandle) -> None:
        """Remove a hook in a graph when what it has said is dropped."""
        self._handles.append(handle)

    def arm(self, due: Due, kept: Collection[str] = ()) -> None:
        """Watch for the statistics that the next step refreshes.

        Args:
            due: Sides by block; blocks that are left out are not watched.
            kept: Blocks whose calls are kept.
        """
        self.disarm()
        self._due = {name: sides for name, sides in due.items() if sides}
        wanted = self._due.keys() | set(kept)
        for each in self.watched:
            if wanted & {block.name for block in each.blocks}:
                self._stack.enter_context(_watch_of(self, each).installed())
        self._kept.want(kept, self._stack)
        self.run_uncompiled()

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
        sums = self._calls.moments() if plain else self.gathering.finish()
        num = self._calls.num_examples
        if sums and num == 0:
            raise RuntimeError(
                "the model that the optimizer was given must itself be called, got "
                "calls of its layers alone: it tells the number of examples."
            )
        spoiled = self._spoiled | self._calls.spoiled
        sums = {k: v for k, v in sums.items() if k[0] not in spoiled}
        uses = self._calls.uses() if plain else self._kept.uses
        known = (use for use in uses if use.block not in spoiled)
        return Gathered(sums, num, plain, tuple(known))

    @property
    def listens(self) -> bool:
        """Whether a forward pass that runs may have a backward pass to watch."""
        return (
            torch.is_grad_enabled()
            and not torch.compiler.is_compiling()
            and not torch._C._are_functorch_transforms_active()
        )

    def place(self, call: LayerCall) -> None:
        """Tell a layer's call how many examples there are, if it is not known yet."""
        if call.num_examples is None:
            call.num_examples = self._calls.present(call.rows)

    def spoil(self, blocks: Iterable[Block]) -> None:
        """Note a call of blocks that does not say what it adds to their gradients."""
        self._spoiled.update(block.name for block in blocks)

    def lone_examples(self) -> int | None:
        """Examples of all calls so far, if they are the same ones."""
        return self._calls.lone

    def is_due(self, block: str, side: str) -> bool:
        """Whether a statistic is to be refreshed."""
        return side in self._due.get(block, ())

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
        if block in self._spoiled or block in self._calls.spoiled:
            return {}
        if self.passes is not None:
            call = self._calls.only
            sums = {} if call is None else call.moments
        else:
            sums = self.gathering.so_far(block)
        keys = [(block, side) for side in self._due.get(block, ())]
        return {key: sums[key] for key in keys if key in sums}

    def keep(self, block: KroneckerBlock, x: Tensor, c: Tensor) -> None:
        """Note a call of a linear map."""
        for_scales = self.keeps_uses and self.is_due(block.name, OUTPUTS)
        if for_scales or block.name in self._kept.wanted:
            self._kept.add(block, x, c)

    def lone_uses(self) -> dict[str, Use]:
        """Kept calls that are all there is to the gradients of their block."""
        return self._kept.lone()

    def postpone(self, later: Later) -> None:
        """Note a layer's call whose gradients come from a pass of ours."""
        # A checkpoint that runs again was watched before; a layer alone has no labels.
        if not in_backward() and self.present is not None:
            self._later.append(later)

    def _before_model(self, *_: Any) -> None:
        """Drop what has been seen if the gradients that it goes with are gone."""
        if not self.listens or in_backward():
            return
        if self._calls.any_used and all(
            p.grad is None for p in self.parameters.values()
        ):
            self._forget()
        if self._calls.returned:
            self.gathering.flush()
        self.present, self._later = Present() if self._due else None, []

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
        if call is not None and self.present is not None:
            self._handles += self.present.end(call.num_examples, (args, kwargs), output)
        self.present = None
        later, self._later = self._later, []
        if call is not None and self.passes is not None and later:
            self._take(call, labelled_output(output), later)
        self._later = []  # of checkpoints that ran again meanwhile

    def _is_used(self) -> bool:
        """Whether the backward pass that begins makes a call count."""
        used = accumulates(self.parameters.values())
        if used and self.passes is not None:
            for name in self._due:
                self.on_settled(name)
        return used

    def _take(self, call: Call, output: Tensor, later: list[Later]) -> None:
        """Run the passes from labels of the model's own."""
        assert self.passes is not None
        if not (output.requires_grad and call.num_examples):
            return
        with full_precision(output):
            starts = self.passes(output, call.num_examples)
            run_passes(later, output, starts, self.gathering)
        call.moments, call.uses = self.gathering.take(), self._kept.take()
        call.spoiled, self._spoiled = self._spoiled, set()


def _watch_of(capture: FactorCapture, watched: Watched) -> LayerWatch:
    if watched.layer.is_attention:
        return AttentionWatch(capture, watched)
    kind = RerunWatch if watched.layer.rule is None else LayerWatch
    return kind(capture, watched)

"""What is seen of one layer's calls, and what its blocks make of it.

Attention, which has several linear maps, is in `watching_attention`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge, register_multi_grad_hook
from torch.utils import _pytree as pytree

from ..evidence import Evidence, RerunEvidence, full_precision, promoted_pair
from ..functional import ModuleCall, output_tensors
from ..recurrent import recurrent_rows
from ..uses import accumulates, in_backward
from .blocks import INPUTS, OUTPUTS, Block, ExampleBlock, KroneckerBlock
from .copies import Hook
from .layout import Watched
from .passes import Later, Take
from .taps import tapped

if TYPE_CHECKING:
    from .capture import FactorCapture

Measure = Callable[[Tensor, Tensor, bool], None]  # with whether the input is new


class LayerWatch:
    """Watches a layer while some of its statistics are due.

    Args:
        capture: Gets the statistics.
        watched: The layer and its blocks.
    """

    def __init__(self, capture: "FactorCapture", watched: Watched) -> None:
        self.capture, self.watched = capture, watched
        self.layer, self.module = watched.layer, watched.layer.module
        self._parameters = [capture.parameters[n] for n in self.layer.names.values()]
        self.by_end = {block.name.rpartition(".")[2]: block for block in watched.blocks}

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Watch within the context."""
        # Before others, which may change the output.
        handle = self.module.register_forward_hook(
            Hook(self._after), with_kwargs=True, prepend=True
        )
        try:
            yield
        finally:
            handle.remove()

    @property
    def example_block(self) -> ExampleBlock | None:
        """The block that takes per-example gradients, if the layer has one."""
        block = self.watched.blocks[0]
        return block if isinstance(block, ExampleBlock) else None

    def trained(self) -> dict[str, str]:
        """Parameters that take part in a call that begins."""
        if not self.capture.listens:
            return {}
        # `functional_call` puts other tensors in their place.
        present, parameters = self.module._parameters, self.capture.parameters
        return {
            local: name
            for local, name in self.layer.names.items()
            if parameters[name].requires_grad
            and present.get(local, parameters[name]) is parameters[name]
        }

    def _after(
        self,
        module: nn.Module,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        output: Any,
    ) -> Tensor | None:
        names, rule = self.trained(), self.layer.rule
        if not names:
            return None
        if rule is None:
            self._watch_call(names, args, kwargs, output)
            return None
        x = next(iter(pytree.tree_leaves((args, kwargs))), None)
        if not isinstance(x, Tensor) or not isinstance(output, Tensor):
            return None
        if rule.accepts(module, x):
            return self._watch(output, kept(x, names), partial(self._measure, names))
        batched = x.unsqueeze(0)  # an example alone, which some layers allow
        if rule.input_gradient is None or not rule.accepts(module, batched):
            return None
        take = lambda x, g, new: self._measure(names, x, g.unsqueeze(0), new)  # noqa: E731
        return self._watch(output, kept(batched, names), take)

    def _watch(self, output: Tensor, x: Tensor, measure: Measure) -> Tensor | None:
        """Measure a call once the gradient of its output is known."""
        if not (output.requires_grad and output.numel()):
            return None
        if self.capture.passes is None:
            self._open()
            received = partial(self._receive, measure)
            return tapped(output, x, received)
        held = x.detach()

        def take(gradients: list[Tensor | None], new: bool) -> None:
            if gradients[0] is not None:
                measure(held, gradients[0], new)

        edges = [get_gradient_edge(output)]
        self.capture.postpone(Later(self.example_block, edges, take))
        return None

    def _open(self) -> None:
        self.capture.note_use(self.watched.blocks)
        if self.example_block is not None:
            examples = self.capture.gathering.examples(self.example_block)
            examples.open(recomputed=in_backward())

    def _receive(self, measure: Measure, x: Tensor, g: Tensor) -> None:
        if accumulates(self._parameters):
            with full_precision(g):
                measure(x, g, True)
            self.capture.note_return(self.watched.blocks)

    def _measure(
        self, names: Mapping[str, str], x: Tensor, g: Tensor, new: bool
    ) -> None:
        """Take what a call with a rule says."""
        if self._has_no_examples(x):
            return
        x, g = self._examples_first(*promoted_pair(x, g))
        if self.example_block is None:
            self._measure_map(self.watched.blocks[0], x, g, new)
            return
        assert self.layer.rule is not None
        evidence = Evidence.of(self.layer.rule, self.module, x, g, 0)
        self.capture.gathering.examples(self.example_block).add(names, evidence)

    def _has_no_examples(self, x: Tensor) -> bool:
        """Whether an embedding is looked up once for all examples, as of positions.

        The gradient of its output is then summed over them.
        """
        table = isinstance(self.module, nn.Embedding)
        return table and x.ndim == 1 and self.capture.num_present not in {None, len(x)}

    def _measure_map(self, block: Block, x: Tensor, g: Tensor, new: bool) -> None:
        """Take both sides of a linear map."""
        assert isinstance(block, KroneckerBlock)
        if new and self.capture.is_due(block.name, INPUTS):
            self.capture.gathering.add(block.name, INPUTS, block.inputs(x))
        if self.capture.is_due(block.name, OUTPUTS):
            self.capture.gathering.add(block.name, OUTPUTS, block.outputs(x, g))
        self.capture.keep(block, x, g)

    def _examples_first(self, x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        """Put the examples first, where a layer of tokens has them elsewhere."""
        num = self.capture.num_present
        if num in {None, len(x)} or not self.layer.takes_sequences_first:
            return x, g
        if self._num_before_features(x) > 1 and x.shape[1] == g.shape[1] == num:
            return x.transpose(0, 1), g.transpose(0, 1)
        if num and len(x) % num == 0:  # windows of an example, one after the other
            return x.unflatten(0, (num, -1)), g.unflatten(0, (num, -1))
        return x, g

    def _num_before_features(self, x: Tensor) -> int:
        """Dimensions of an input that are not features."""
        if isinstance(self.module, nn.Embedding):
            return x.ndim
        shape: Any = getattr(self.module, "normalized_shape", (1,))
        return x.ndim - len(shape)

    def _watch_call(
        self,
        names: Mapping[str, str],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        output: Any,
    ) -> None:
        """Measure a call of a layer that has to run again, by its output gradients."""
        outputs = output_tensors(output)
        if not any(x.numel() for x in outputs.values()):
            return
        call = ModuleCall.of(args, kwargs, outputs)
        positions, tensors = list(outputs), list(outputs.values())

        def take(gradients: list[Tensor | None], new: bool) -> None:
            call.gradients.clear()
            pairs = zip(positions, gradients, strict=True)
            call.gradients.update({k: g for k, g in pairs if g is not None})
            if call.gradients:
                self._measure_call(names, call, new)

        if self.capture.passes is None:
            self._open()
            self._take_in_backward(tensors, take)
        else:
            edges = [get_gradient_edge(x) for x in tensors]
            self.capture.postpone(Later(self.example_block, edges, take))

    def _take_in_backward(self, outputs: list[Tensor], take: Take) -> None:
        """Take the gradients of a call's outputs if those of weights are wanted."""

        def receive(gradients: Any) -> None:
            if accumulates(self._parameters):
                with torch.no_grad(), full_precision(outputs[0]):
                    take(gradients, True)
                    self.capture.note_return(self.watched.blocks)

        if len(outputs) == 1:
            outputs[0].register_hook(lambda gradient: receive([gradient]))
        else:
            register_multi_grad_hook(outputs, receive)

    def _measure_call(
        self, names: Mapping[str, str], call: ModuleCall, new: bool
    ) -> None:
        if self.example_block is None:
            module = self.module
            assert isinstance(module, nn.RNNBase)
            for end, x, g in recurrent_rows(module, list(names), call):
                self._measure_map(self.by_end[end], x, g, new)
            return
        num = self.layer.num_examples(call)
        if num is not None:
            again = self.layer.chunks_of
            evidence = RerunEvidence(self.module, call, again, num)
            self.capture.gathering.examples(self.example_block).add(names, evidence)


def kept(x: Tensor, names: Mapping[str, str]) -> Tensor:
    """The input to keep for backward: of a bias alone its shape will do.

    What no weight needs may be changed in place before backward.
    """
    return x if "weight" in names else x.new_zeros(()).expand(x.shape)

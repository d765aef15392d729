"""What is seen of one layer's calls, and what its blocks make of it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge, register_multi_grad_hook
from torch.nn import functional as F  # noqa: N812 - torch's own idiom
from torch.utils import _pytree as pytree

from ..attention import attention_with, is_part_of, rows_of
from ..evidence import Evidence, RerunEvidence, full_precision, promoted_pair
from ..functional import ModuleCall, output_tensors
from ..hooks import ROWS, Projection
from ..recurrent import recurrent_rows
from ..rules.linear import LINEAR
from ..uses import Purpose, in_backward, purpose_of
from .blocks import INPUTS, OUTPUTS, Block, ExampleBlock, KroneckerBlock
from .copies import Forward, Hook
from .layout import Watched
from .taps import tapped

if TYPE_CHECKING:
    from .capture import FactorCapture

# Takes the gradients of a call's outputs, and whether its inputs are new.
Take = Callable[[list[Tensor | None], bool], None]


@dataclass(frozen=True)
class Later:
    """A call whose output gradients come from a pass of ours.

    Args:
        watch: Of the layer.
        edges: Where the gradients are to be had in the graph.
        take: What to do with them.
    """

    watch: "LayerWatch"
    edges: list[Any]
    take: Take


@final
class LayerWatch:
    """Watches a layer while some of its statistics are due.

    Args:
        capture: Gets the statistics.
        watched: The layer and its blocks.
    """

    def __init__(self, capture: "FactorCapture", watched: Watched) -> None:
        self.capture, self.watched = capture, watched
        self.layer, self.module = watched.layer, watched.layer.module
        self.by_end = {block.name.rpartition(".")[2]: block for block in watched.blocks}

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Watch within the context."""
        if self.layer.is_attention:
            with self._forward_replaced():
                yield
            return
        # Before others, which may change the output.
        handle = self.module.register_forward_hook(
            Hook(self._after), with_kwargs=True, prepend=True
        )
        try:
            yield
        finally:
            handle.remove()

    @contextmanager
    def _forward_replaced(self) -> Iterator[None]:
        forward = vars(self.module).get("forward")
        if forward is not None and not isinstance(forward, Forward):
            yield  # it came from elsewhere, and may do anything
            return
        if forward is None or not forward.watches:  # a copy has none
            forward = Forward(self.module, run_attention)
            vars(self.module)["forward"] = forward
        forward.watches.append(self)
        try:
            yield
        finally:
            forward.watches.remove(self)
            if not forward.watches:
                vars(self.module).pop("forward", None)

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

    def _watch(
        self,
        output: Tensor,
        x: Tensor,
        measure: Callable[[Tensor, Tensor, bool], None],
    ) -> Tensor | None:
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

        self.capture.postpone(Later(self, [get_gradient_edge(output)], take))
        return None

    def _open(self) -> None:
        self.capture.note_use(self.watched.blocks)
        if self.example_block is not None:
            examples = self.capture.examples(self.example_block)
            examples.open(recomputed=in_backward())

    def _receive(
        self, measure: Callable[[Tensor, Tensor, bool], None], x: Tensor, g: Tensor
    ) -> None:
        if self._accumulates():
            with full_precision(g):
                measure(x, g, True)
            self.capture.note_return(self.watched.blocks)

    def _accumulates(self) -> bool:
        """Whether the backward pass that runs accumulates the layer's gradients."""
        every = (self.capture.parameters[name] for name in self.layer.names.values())
        nodes = (get_gradient_edge(p).node for p in every if p.requires_grad)
        return purpose_of(nodes) is Purpose.ACCUMULATED

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
        self.capture.examples(self.example_block).add(names, evidence)

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
            self.capture.add(block.name, INPUTS, block.inputs(x))
        if self.capture.is_due(block.name, OUTPUTS):
            self.capture.add(block.name, OUTPUTS, block.outputs(x, g))
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
        positions = list(outputs)

        def take(gradients: Any, new: bool) -> None:
            call.gradients.clear()
            pairs = zip(positions, gradients, strict=True)
            call.gradients.update({k: g for k, g in pairs if g is not None})
            if call.gradients:
                self._measure_call(names, call, new)

        if self.capture.passes is not None:
            edges = [get_gradient_edge(x) for x in outputs.values()]
            self.capture.postpone(Later(self, edges, take))
            return
        self._open()

        def receive(gradients: Any) -> None:
            if self._accumulates():
                with torch.no_grad(), full_precision(next(iter(outputs.values()))):
                    take(gradients, True)
                    self.capture.note_return(self.watched.blocks)

        tensors = list(outputs.values())
        if len(tensors) == 1:
            tensors[0].register_hook(lambda gradient: receive([gradient]))
        else:
            register_multi_grad_hook(tensors, receive)

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
            self.capture.examples(self.example_block).add(names, evidence)

    def watch_projection(
        self,
        names: Mapping[str, str],
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        output: Tensor,
    ) -> Tensor:
        """Watch a linear map of attention; gives the output to be used instead."""
        rows = self._rows(weight) or self._rows(bias)
        if rows is None:
            return output
        measure = partial(self._measure_projection, names, weight, bias, rows)
        result = self._watch(output, x, measure)
        return output if result is None else result

    def _rows(self, used: Tensor | None) -> tuple[str, int, int] | None:
        """Which rows of which parameter a projection uses as its weight or bias."""
        for name in self.layer.names.values():
            parameter = self.capture.parameters[name]
            if used is not None and is_part_of(used, parameter):
                return name, *rows_of(used, parameter)
        return None

    def _measure_projection(
        self,
        names: Mapping[str, str],
        weight: Tensor,
        bias: Tensor | None,
        rows: tuple[str, int, int],
        x: Tensor,
        g: Tensor,
        new: bool,
    ) -> None:
        x, g = promoted_pair(x, g)
        name, start, stop = rows
        if self.example_block is not None:
            used = {"weight": self._rows(weight), "bias": self._rows(bias)}
            found = {end: rows for end, rows in used.items() if rows is not None}
            keys = {k: _key(*v) for k, v in found.items() if v[0] in names.values()}
            evidence = Evidence.of(LINEAR, Projection(weight, bias), x, g, 0)
            self.capture.examples(self.example_block).add(keys, evidence)
            return
        for block in self.watched.blocks:
            part = next(iter(block.parts.values()))
            own = block.parts.get("weight", part)
            if own.name == name and own.rows is None:
                self._measure_map(block, x, g, new)
            elif own.name == name and own.rows is not None:
                first, last = own.rows[0] - start, own.rows[1] - start
                if first >= 0 and own.rows[1] <= stop:
                    self._measure_map(block, x, g[..., first:last], new)


def run_attention(
    module: nn.MultiheadAttention, watches: list[LayerWatch], *args: Any, **kwargs: Any
) -> Any:
    """In place of the forward of attention: its projections are linear maps.

    Args:
        module: The attention.
        watches: Those who watch it; each optimizer has one of its own.
        args: Of the call.
        kwargs: Of the call.

    Returns:
        What the attention gives.
    """
    trained = [(watch, watch.trained()) for watch in watches]
    wanted = [(watch, names) for watch, names in trained if names]
    query = args[0] if args else kwargs.get("query")
    if not (wanted and isinstance(query, Tensor) and query.ndim == 3):
        return nn.MultiheadAttention.forward(module, *args, **kwargs)

    def project(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        output = F.linear(x, weight, bias)
        for watch, names in wanted:
            output = watch.watch_projection(names, x, weight, bias, output)
        return output

    return attention_with(project, module, *args, **kwargs)


def kept(x: Tensor, names: Mapping[str, str]) -> Tensor:
    """The input to keep for backward: of a bias alone its shape will do.

    What no weight needs may be changed in place before backward.
    """
    return x if "weight" in names else x.new_zeros(()).expand(x.shape)


def _key(name: str, start: int, stop: int) -> str:
    return f"{name}{ROWS}{start}:{stop}"

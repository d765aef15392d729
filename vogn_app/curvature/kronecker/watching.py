"""What is seen of one layer's calls, and what its blocks make of it.

Attention, which has several linear maps, is in `watching_attention`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.utils import _pytree as pytree
from torch.utils.hooks import RemovableHandle

from ..broadcast import Meeting, on_gradient, pulled_back
from ..evidence import Evidence, RerunEvidence, full_precision, promoted_pair
from ..uses import accumulates, in_backward
from .blocks import INPUTS, OUTPUTS, Block, ExampleBlock, KroneckerBlock
from .copies import Hook
from .layout import Watched
from .passes import Later
from .present import LayerCall, Meet
from .taps import tapped

if TYPE_CHECKING:
    from .capture import FactorCapture

# Takes input and output gradient, the examples first, and whether the input is new.
Measure = Callable[[LayerCall, Tensor, Tensor, bool], None]


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
    ) -> Any:
        """After a call of the module; gives the output to be used instead, or None."""
        names, rule = self.trained(), self.layer.rule
        if not names:
            return None
        assert rule is not None
        x = next(iter(pytree.tree_leaves((args, kwargs))), None)
        if not isinstance(x, Tensor) or not isinstance(output, Tensor):
            return None
        alone = not self._accepts(x)
        batched = x.unsqueeze(0) if alone else x  # an example alone
        if alone and not (rule.input_gradient and rule.accepts(module, batched)):
            return self._watch(output, x, partial(self._measure, names), None)
        call = LayerCall(module, batched.shape, self._num_tokens(batched), alone)
        held = kept(batched, names)
        return self._watch(output, held, partial(self._measure, names), call, x)

    def _accepts(self, x: Tensor) -> bool:
        """Whether a call of a layer with a rule has an examples dimension."""
        assert self.layer.rule is not None
        if isinstance(self.module, nn.Embedding):
            # A `max_norm` has shortened rows before, which no gradient sees.
            return x.ndim >= 1
        return self.layer.rule.accepts(self.module, x)

    def _num_tokens(self, x: Tensor) -> int:
        """Dimensions of an input that are not features, 0 of layers not of tokens."""
        if not self.layer.takes_sequences_first:
            return 0
        if isinstance(self.module, nn.Embedding):
            return x.ndim
        shape: Any = getattr(self.module, "normalized_shape", (1,))
        return x.ndim - len(shape)

    def _watch(
        self,
        output: Tensor,
        x: Tensor,
        measure: Measure,
        call: LayerCall | None,
        source: Tensor | None = None,
    ) -> Tensor | None:
        """Measure a call once the gradient of its output is known.

        Args:
            output: What it gave.
            x: Its input, to be kept.
            measure: Takes what it says.
            call: The call; None if nothing can be said of it.
            source: The input with its graph.

        Returns:
            The output to be used instead, if another one is.
        """
        if not (output.requires_grad and output.numel()):
            return None
        receive = partial(self._receive, measure, call)
        if self.capture.passes is None:
            self._open()
            result = tapped(output, x, partial(self._receive_wanted, receive))
            hooked = None if call is None else partial(self._meet, call)
            self._note_call(call, [result], source, hooked)
            return result
        held, meetings = x.detach(), list[Meeting]()

        def take(gradients: list[Tensor | None], new: bool) -> None:
            own, *spread = gradients
            if own is not None:
                pairs = zip(meetings, spread, strict=True)
                parts = [pulled_back(each, edges[0], g) for each, g in pairs]
                if call is not None:
                    call.parts = parts
                receive(held, own, new)

        def meet(start: GradientEdge, meeting: Meeting) -> None:  # noqa: ARG001
            meetings.append(meeting)
            edges.append(GradientEdge(meeting.node, 0))

        edges = [get_gradient_edge(output)]
        self.capture.postpone(Later(self.example_block, edges, take))
        self._note_call(call, [output], source, meet)
        return None

    def _note_call(
        self,
        call: LayerCall | None,
        outputs: list[Tensor],
        source: Tensor | None,
        meet: Meet | None = None,
    ) -> None:
        present = self.capture.present
        if call is not None and source is not None and present is not None:
            edges = [get_gradient_edge(each) for each in outputs]
            present.add(call, edges, source, meet)

    def _meet(
        self, call: LayerCall, start: GradientEdge, meeting: Meeting
    ) -> RemovableHandle:
        """Gather what a meeting says in the passes whose gradients are wanted."""

        def receive(gradient: Tensor | None) -> None:
            if accumulates(self._parameters):
                call.parts.append(pulled_back(meeting, start, gradient))

        return on_gradient(meeting, receive)

    def _open(self) -> None:
        self.capture.note_use(self.watched.blocks)
        if self.example_block is not None:
            examples = self.capture.gathering.examples(self.example_block)
            examples.open(recomputed=in_backward())

    def _receive_wanted(
        self, receive: Callable[[Tensor, Tensor, bool], None], x: Tensor, g: Tensor
    ) -> None:
        if accumulates(self._parameters):
            with full_precision(g):
                receive(x, g, True)
            self.capture.note_return(self.watched.blocks)

    def _receive(
        self,
        measure: Measure,
        call: LayerCall | None,
        x: Tensor,
        g: Tensor,
        new: bool,
    ) -> None:
        """Measure a call with the examples first, if it has them."""
        found = None
        if call is not None:
            self.capture.place(call)
            found = call.examples_first(x, g)
        if call is None or found is None or not self._takes(call):
            self.capture.spoil(self.watched.blocks)
            return
        measure(call, *found, new)

    def _takes(self, call: LayerCall) -> bool:
        """Whether there is anything to take from the rows of a call.

        Which examples a part of them are is not known.
        """
        return self.example_block is None or not call.is_part

    def _measure(
        self, names: Mapping[str, str], call: LayerCall, x: Tensor, g: Tensor, new: bool
    ) -> None:
        """Take what a call with a rule says."""
        x, g = promoted_pair(x, g)
        if self.example_block is None:
            self._measure_map(self.watched.blocks[0], x, g, new)
            return
        assert self.layer.rule is not None
        evidence = Evidence.of(self.layer.rule, self.module, x, g, 0)
        self._add_examples(names, call, evidence)

    def _add_examples(
        self,
        names: Mapping[str, str],
        call: LayerCall,
        evidence: Evidence | RerunEvidence,
    ) -> None:
        """Take per-example gradients."""
        assert self.example_block is not None
        examples = self.capture.gathering.examples(self.example_block)
        examples.add(names, evidence, call.num_examples)

    def _measure_map(self, block: Block, x: Tensor, g: Tensor, new: bool) -> None:
        """Take both sides of a linear map."""
        assert isinstance(block, KroneckerBlock)
        if new and self.capture.is_due(block.name, INPUTS):
            self.capture.gathering.add(block.name, INPUTS, block.inputs(x))
        if self.capture.is_due(block.name, OUTPUTS):
            self.capture.gathering.add(block.name, OUTPUTS, block.outputs(x, g))
        self.capture.keep(block, x, g)


def kept(x: Tensor, names: Mapping[str, str]) -> Tensor:
    """The input to keep for backward: of a bias alone its shape will do.

    What no weight needs may be changed in place before backward.
    """
    return x if "weight" in names else x.new_zeros(()).expand(x.shape)

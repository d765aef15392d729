"""What is seen of the calls of layers that have to run again for what they say."""

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge, register_multi_grad_hook
from torch.utils import _pytree as pytree

from ..evidence import RerunEvidence, full_precision
from ..functional import ModuleCall, output_tensors
from ..layers import RECURRENT
from ..recurrent import recurrent_rows
from ..uses import accumulates
from .passes import Later, Take
from .present import LayerCall
from .watching import LayerWatch


@final
class RerunWatch(LayerWatch):
    """Watches a layer without a rule: recurrent ones, and those that nobody knows."""

    def _after(
        self,
        module: nn.Module,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        output: Any,
    ) -> Any:
        names, outputs = self.trained(), output_tensors(output)
        if not names or not any(x.numel() for x in outputs.values()):
            return None
        result = output
        if len(outputs) > 1 and type(module) not in RECURRENT:
            result, outputs = _apart(output, outputs)
        again = ModuleCall.of(args, kwargs, outputs)
        positions, tensors = list(outputs), list(outputs.values())
        rows = self.layer.num_examples(again)
        call = None if rows is None else LayerCall(module, torch.Size((rows,)))

        def take(gradients: list[Tensor | None], new: bool) -> None:
            again.gradients.clear()
            pairs = zip(positions, gradients, strict=True)
            again.gradients.update({k: g for k, g in pairs if g is not None})
            if again.gradients:
                self._receive_again(names, call, again, new)

        if self.capture.passes is None:
            self._open()
            self._take_in_backward(tensors, take)
        else:
            edges = [get_gradient_edge(x) for x in tensors]
            self.capture.postpone(Later(self.example_block, edges, take))
        leaves = pytree.tree_leaves((args, kwargs))
        source = next((x for x in leaves if isinstance(x, Tensor)), None)
        self._note_call(call, tensors, source)
        return result

    def _take_in_backward(self, outputs: list[Tensor], take: Take) -> None:
        """Take the gradients of a call's outputs if those of weights are wanted."""

        # It must not refer to the outputs, which refer to it where no collector looks.
        def receive(gradients: Sequence[Tensor | None]) -> None:
            known = next((g for g in gradients if g is not None), None)
            if known is not None and accumulates(self._parameters):
                with torch.no_grad(), full_precision(known):
                    take(list(gradients), True)
                    self.capture.note_return(self.watched.blocks)

        if len(outputs) == 1:
            outputs[0].register_hook(lambda gradient: receive([gradient]))
        else:
            self.capture.hold(register_multi_grad_hook(outputs, receive))

    def _receive_again(
        self,
        names: Mapping[str, str],
        call: LayerCall | None,
        again: ModuleCall,
        new: bool,
    ) -> None:
        """Measure a call that has to run again, if it has the examples."""
        if call is not None:
            self.capture.place(call)
        known = call is not None and call.has_place and not call.is_spread
        if call is None or not known or not self._takes(call):
            self.capture.spoil(self.watched.blocks)
            return
        if self.example_block is None:
            module = self.module
            assert isinstance(module, nn.RNNBase)
            for end, x, g in recurrent_rows(module, list(names), again):
                self._measure_map(self.by_end[end], x, g, new)
            return
        chunks = self.layer.chunks_of
        evidence = RerunEvidence(self.module, again, chunks, call.rows)
        self._add_examples(names, call, evidence)


def _apart(output: Any, outputs: Mapping[int, Tensor]) -> tuple[Any, dict[int, Tensor]]:
    """Give outputs that may be made from one another gradients of their own.

    What the layer made from an output adds to the gradient of that output; of a copy of
    it the gradient is what comes from outside. (Not of a view: once it is changed in
    place, its gradient goes elsewhere.)

    Args:
        output: What a layer gave.
        outputs: The tensors in it that need a gradient, by leaf position.

    Returns:
        The output to be used instead, and the tensors in it.
    """
    copies = {position: x.clone() for position, x in outputs.items()}
    leaves, structure = pytree.tree_flatten(output)
    for position, copy in copies.items():
        if isinstance(leaves[position], Tensor):
            leaves[position] = copy
    return pytree.tree_unflatten(leaves, structure), copies

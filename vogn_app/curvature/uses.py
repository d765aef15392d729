"""One use of a layer in a forward pass, and its part of the backward pass.

Linear layers and convolutions run inside `RecordedLayer`, whose backward forms the
per-example gradients once and takes both from them: their sum, which is the weight
gradient, and their squares. Other layers keep autograd's backward; a hook on their
output says what its gradient was.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node, get_gradient_edge

from .evidence import Evidence, full_precision
from .functional import listed
from .rules import LayerRule

if TYPE_CHECKING:
    from .recording import Recording

PARAMETERS = ("weight", "bias")  # of layers with a rule
INPUT = 4  # position of the input among the arguments of RecordedLayer.forward


@dataclass
class LayerUse:
    """A use of parameters whose squares are to be recorded.

    Args:
        recording: Where they go.
        names: Parameters wanted: local name -> name in the recording.
        module: The layer.
        recomputed: Whether it runs within a backward pass (checkpointing).
        done: Whether its backward has run.
    """

    recording: "Recording"
    names: dict[str, str]
    module: nn.Module
    recomputed: bool = False
    done: bool = False

    def returns(self) -> None:
        """Note that the use's backward runs."""
        self.check_first()
        self.done = True

    def check_first(self) -> None:
        """An error when the use's backward runs again."""
        if self.done:
            raise RuntimeError(
                "backward must run once for each forward pass inside "
                "sampled_params(train=True), got a second backward through "
                f"{listed(list(self.names.values()))}."
            )


class RecordedLayer(torch.autograd.Function):
    """A layer whose own weight gradient comes from its per-example gradients."""

    @staticmethod
    def forward(
        ctx: Any,
        use: LayerUse,
        rule: LayerRule,
        module: nn.Module,
        run: Any,
        x: Tensor,
        *parameters: Tensor | None,
    ) -> Tensor:
        """Run the layer.

        Args:
            ctx: Autograd's context.
            use: The use of its parameters.
            rule: Its rule.
            module: The layer.
            run: Gives its output from `x`.
            x: Its input [N, ...].
            parameters: Weight and bias, None where the layer has none, so that autograd
                knows of them, be they recorded or not.

        Returns:
            Its output [N, ...].
        """
        ctx.use, ctx.rule, ctx.module = use, rule, module
        ctx.save_for_backward(x, *parameters)
        output: Tensor = run(x)
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of input and parameters; squares go to the recording.

        Args:
            ctx: Autograd's context.
            gradient: Of the output [N, ...].

        Returns:
            Gradients in the order of the arguments of `forward`.

        Raises:
            RuntimeError: If second derivatives are asked for.
        """
        if torch.is_grad_enabled():
            raise RuntimeError(
                "create_graph must be False inside sampled_params(train=True): layers "
                "that record squares cannot be differentiated twice."
            )
        x, *parameters = ctx.saved_tensors
        needed = ctx.needs_input_grad
        with full_precision(gradient):
            below, lowered = None, x.to(gradient.dtype)
            if needed[INPUT]:
                weight = parameters[0].to(gradient.dtype)
                below = ctx.rule.input_gradient(ctx.module, lowered, gradient, weight)
                below = below.to(x.dtype)
            # What follows the input among the next functions are the parameters'.
            purpose = purpose_of(node for node, _ in ctx.next_functions[1:])
            if purpose is Purpose.OTHER:
                return (*(None,) * INPUT, below, *(None for _ in parameters))
            if ctx.use.recording.records(purpose):
                at = ctx.use.recording.capture.examples_at.get(ctx.use.module, 0)
                evidence = Evidence.of(ctx.rule, ctx.module, x, gradient, at)
                sums = ctx.use.recording.take(ctx.use, evidence)
            else:
                sums = ctx.rule.gradients(ctx.module, lowered, gradient)
        gradients = [
            sums[name].to(parameter.dtype) if wanted else None
            for name, parameter, wanted in zip(
                PARAMETERS, parameters, needed[INPUT + 1 :], strict=True
            )
        ]
        return (*(None,) * INPUT, below, *gradients)


class Purpose(Enum):
    """What a backward pass does with the gradients of some parameters."""

    ACCUMULATED = "accumulated in .grad"
    GIVEN_AWAY = "given to the caller"  # also those at labels of the model's own
    OTHER = "not computed"  # adversarial training wants those of inputs alone


def in_backward() -> bool:
    """Whether a backward pass runs: a forward pass is then a checkpoint's second."""
    return bool(torch._C._current_graph_task_id() != -1)


def purpose_of(nodes: Iterable[Node | None]) -> Purpose:
    """What the backward pass that runs is for.

    Args:
        nodes: Operations that accumulate the parameters' gradients, or lead there.

    Returns:
        Its purpose.
    """
    execute = torch._C._will_engine_execute_node
    try:
        reached = any(node is not None and execute(node) for node in nodes)
    except RuntimeError:  # `torch.autograd.grad` of these very parameters
        return Purpose.GIVEN_AWAY
    return Purpose.ACCUMULATED if reached else Purpose.OTHER


def accumulates(parameters: Iterable[Tensor]) -> bool:
    """Whether the backward pass that runs accumulates gradients of some parameters."""
    nodes = (get_gradient_edge(p).node for p in parameters if p.requires_grad)
    return purpose_of(nodes) is Purpose.ACCUMULATED


def run_recorded(
    use: LayerUse, rule: LayerRule, module: nn.Module, run: Any, x: Tensor
) -> Tensor:
    """Run a layer so that its backward records squares.

    Args:
        use: The use of its parameters.
        rule: Its rule, one that gives the input's gradient.
        module: The layer.
        run: Gives its output from `x`.
        x: Its input [N, ...].

    Returns:
        Its output.
    """
    parameters = [module._parameters[name] for name in PARAMETERS]
    output: Tensor = RecordedLayer.apply(use, rule, module, run, x, *parameters)
    return output

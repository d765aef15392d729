"""Per-example gradients of parameters that meet the examples by broadcasting.

A class token, a position embedding, a layer scale have no examples dimension until an
operation of the model spreads them over the batch. The gradient of that operation still
has the examples apart; autograd adds them up right after. So the graph of the forward
pass is searched for these operations, from the parameter upwards, and a hook on each
pulls the gradient of every example back to the parameter.

    p  parameter
    u  what was made of parameters alone (reshaped, sliced, cast, ...)    u = f(p)
    y  an operation on u and on what has the examples first       [N, ...]

Known operations are sums, differences, products, quotients and `expand`, where u has no
first dimension or one of size 1. A parameter that reaches its examples in another way
is not found here.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, Node
from torch.utils.hooks import RemovableHandle

LEAF: Any = torch._C._functions.AccumulateGrad  # what stands for a parameter
LONGEST_CHAIN = 64  # operations between a parameter and its examples

# Operations and positions from a parameter to where it meets its examples.
Path = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Meeting:
    """An operation in which a function of a parameter meets the examples.

    Args:
        node: The operation in autograd's graph.
        position: Which of its operands depends on the parameter.
        source: That operand; None where it is the parameter itself.
        shape: Shape of the operand.
        path: How the parameter came here.
    """

    node: Node
    position: int
    source: GradientEdge | None
    shape: tuple[int, ...]
    path: Path


class Consumers:
    """Who uses what in the graph of a forward pass.

    Args:
        outputs: Of the model, with their graph.
    """

    def __init__(self, outputs: Iterable[Tensor]) -> None:
        roots = [x.grad_fn for x in outputs if x.grad_fn is not None]
        self.parents: dict[Node, list[tuple[Node, int]]] = {root: [] for root in roots}
        self.leaves: dict[int, Node] = {}  # by parameter
        stack = list(self.parents)
        while stack:
            node = stack.pop()
            if isinstance(node, LEAF):
                self.leaves[id(node.variable)] = node
                continue
            for position, (child, _) in enumerate(node.next_functions):
                if child is None:
                    continue
                if child not in self.parents:
                    self.parents[child] = []
                    stack.append(child)
                self.parents[child].append((node, position))

    def of(self, parameter: Tensor) -> int:
        """How many operations use a parameter."""
        leaf = self.leaves.get(id(parameter))
        return 0 if leaf is None else len(self.parents[leaf])


def find_meetings(
    consumers: Consumers,
    parameters: dict[str, torch.nn.Parameter],
    num_examples: int,
    known: Mapping[str, Collection[Path] | None],
) -> dict[str, list[Meeting]]:
    """Where each parameter meets the examples.

    Args:
        consumers: The graph of a forward pass.
        parameters: By name; none of them belongs to a layer with a rule.
        num_examples: Size of the first dimension that is to be the examples.
        known: By name the paths to its meetings. Sizes alone may agree by chance, so
            where they are known a parameter meets its examples there or not at all.

    Returns:
        Meetings by name, of the parameters all of whose uses are known.
    """
    result = {}
    for name, parameter in parameters.items():
        leaf = consumers.leaves.get(id(parameter))
        paths = known.get(name)
        found = leaf and _climb(leaf, parameter, consumers, num_examples, paths)
        if found and (paths is None or paths_of(found) == paths):
            result[name] = found
    return result


def paths_of(meetings: list[Meeting]) -> list[Path]:
    """The paths to some meetings, in an order of their own."""
    return sorted(meeting.path for meeting in meetings)


def _climb(
    leaf: Node,
    parameter: Tensor,
    consumers: Consumers,
    num_examples: int,
    known: Collection[Path] | None,
) -> list[Meeting]:
    """Meetings above a parameter; none if some use leads elsewhere."""
    found: list[Meeting] = []
    waiting: list[tuple[Node, tuple[int, ...], Path]] = [(leaf, parameter.shape, ())]
    seen = {leaf}
    while waiting:
        node, shape, path = waiting.pop()
        if not consumers.parents[node] or len(path) > LONGEST_CHAIN:
            return []
        for above, position in consumers.parents[node]:
            output, further = _output_shape(above), (*path, (above.name(), position))
            if output is None:
                return []
            here = known is None or further in known
            if here and spreads(above, shape, output, num_examples):
                source = None if node is leaf else GradientEdge(node, 0)
                found.append(Meeting(above, position, source, shape, further))
            elif not _of_parameters_alone(above):
                return []
            elif above not in seen:
                seen.add(above)
                waiting.append((above, output, further))
    return found


def _output_shape(node: Node) -> tuple[int, ...] | None:
    """Shape of an operation's only output."""
    metadata: Any = node._input_metadata
    return tuple(metadata[0].shape) if len(metadata) == 1 else None


def spreads(
    node: Node, shape: tuple[int, ...], output: tuple[int, ...], num_examples: int
) -> bool:
    """Whether the operation spreads an operand of this shape over the examples."""
    if node.name() not in _OPERAND_GRADIENTS or output[:1] != (num_examples,):
        return False
    return len(shape) < len(output) or shape[0] == 1


def _of_parameters_alone(node: Node) -> bool:
    """Whether nothing but parameters lies below, reached by harmless operations."""
    stack, seen = [node], {node}
    while stack:
        lower = stack.pop()
        if lower.name() not in _CHAIN and not isinstance(lower, LEAF):
            return False
        new = {c for c, _ in lower.next_functions if c is not None} - seen
        seen |= new
        stack += new
    return len(seen) <= LONGEST_CHAIN


def on_gradient(
    meeting: Meeting, receive: Callable[[Tensor | None], None]
) -> RemovableHandle:
    """Be told the gradient of an operation's output whenever backward comes by.

    Args:
        meeting: The operation.
        receive: Gets the gradient [N, ...], None for zero.

    Returns:
        What removes the hook, which refers to the operation that has it.
    """

    def hook(
        inputs: tuple[Tensor | None, ...],  # noqa: ARG001
        outputs: tuple[Tensor | None, ...],
    ) -> None:
        receive(outputs[0])

    return meeting.node.register_hook(hook)


def pulled_back(
    meeting: Meeting, start: Tensor | GradientEdge, gradient: Tensor | None
) -> Tensor | None:
    """Pull the examples' gradients of an operation back to what it spreads over them.

    Args:
        meeting: The operation.
        start: The parameter, or what else was spread.
        gradient: Of the operation's output [N, ...], None for zero.

    Returns:
        Contributions [N, *shape]; None for zero, and if they cannot be had.
    """
    if gradient is None:
        return None
    try:
        with torch.no_grad():
            return _contributions(meeting, start, gradient)
    except Exception:  # a saved tensor is gone, an operation has no batched form
        return None


def _contributions(
    meeting: Meeting, start: Tensor | GradientEdge, gradient: Tensor
) -> Tensor:
    pulled = _OPERAND_GRADIENTS[meeting.node.name()](
        meeting.node, meeting.position, gradient
    )
    pulled = _sum_to_operand(pulled, gradient.shape, meeting.shape)
    if meeting.source is None:
        return pulled
    (result,) = torch.autograd.grad(
        meeting.source, start, pulled, is_grads_batched=True, retain_graph=True
    )
    return result


def _sum_to_operand(
    gradient: Tensor, output: torch.Size, shape: tuple[int, ...]
) -> Tensor:
    """Undo the broadcasting of all dimensions but the examples': [N, *shape]."""
    gradient = gradient.expand(output)
    aligned = (1,) * (len(output) - len(shape)) + tuple(shape)
    spread = [d for d in range(1, len(output)) if aligned[d] == 1 != output[d]]
    summed = gradient.sum(spread, keepdim=True) if spread else gradient
    return summed.reshape(output[0], *shape)


def _of_sum(node: Any, position: int, gradient: Tensor) -> Tensor:
    factor: float = node._saved_alpha if position == 1 else 1
    return gradient * factor


def _of_difference(node: Any, position: int, gradient: Tensor) -> Tensor:
    factor: float = -node._saved_alpha if position == 1 else 1
    return gradient * factor


def _of_product(node: Any, position: int, gradient: Tensor) -> Tensor:
    other: Tensor = node._saved_self if position == 1 else node._saved_other
    return gradient * other.detach()


def _of_quotient(node: Any, position: int, gradient: Tensor) -> Tensor:
    below: Tensor = node._saved_other.detach()
    if position == 0:
        return gradient / below
    above: Tensor = node._saved_self.detach()
    return -gradient * above / below.square()


def _of_expansion(node: Any, position: int, gradient: Tensor) -> Tensor:  # noqa: ARG001
    return gradient


# Gradient of one operand before autograd sums it to the operand's shape.
_OPERAND_GRADIENTS: dict[str, Callable[[Any, int, Tensor], Tensor]] = {
    "AddBackward0": _of_sum,
    "SubBackward0": _of_difference,
    "MulBackward0": _of_product,
    "DivBackward0": _of_quotient,
    "ExpandBackward0": _of_expansion,
}
# Operations that parameters may go through on their way to the examples.
_CHAIN = {
    f"{name}Backward{version}"
    for version in (0, 1, 2)
    for name in (
        "Alias", "Cat", "Clone", "Embedding", "Expand", "Flip", "Index", "IndexSelect",
        "Permute", "Repeat", "ReshapeAlias", "Roll", "Select", "Slice", "Squeeze",
        "Stack", "T", "ToCopy", "Transpose", "UnsafeView", "Unsqueeze", "View",
        "Add", "Div", "Exp", "Mul", "Neg", "Sigmoid", "Softplus", "Sub", "Tanh",
        "UpsampleBicubic2D", "UpsampleBicubic2DAa", "UpsampleBilinear2D",
        "UpsampleBilinear2DAa", "UpsampleNearest2D",
    )
}  # fmt: skip

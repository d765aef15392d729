"""Multi-head attention, whose projections are recorded as the linear layers they are.

`nn.MultiheadAttention` uses its weights without calling a module. A copy of torch's own
function, in which `linear` is ours, computes the same (masks, dropout and all) and says
what each projection saw.
"""

import types
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own idiom
from torch.nn.modules import activation

# Gives the output of a projection: (input [N, T, in], weight, bias) -> [N, T, out].
Linear = Callable[[Tensor, Tensor, Tensor | None], Tensor]


@dataclass
class _Call:
    linear: Linear
    num_examples: int


_CURRENT: ContextVar[_Call] = ContextVar("attention")


def attention_with(
    linear: Linear, module: nn.MultiheadAttention, *args: Any, **kwargs: Any
) -> Any:
    """Call attention with another function for its projections.

    Args:
        linear: Called for each projection, with the examples first.
        module: The attention; the query has three dimensions.
        args: Its positional arguments.
        kwargs: Its keyword arguments.

    Returns:
        Its output.
    """
    query = args[0] if args else kwargs["query"]
    num_examples = query.shape[0 if module.batch_first else 1]
    token = _CURRENT.set(_Call(linear, num_examples))
    try:
        return _forward()(module, *args, **kwargs)
    finally:
        _CURRENT.reset(token)


def _examples_first_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Inside, torch's function has tokens first: [T, N, in], or folded [T * N, in]."""
    call = _CURRENT.get()
    tokens = x.reshape(-1, call.num_examples, x.shape[-1])
    output = call.linear(tokens.transpose(0, 1), weight, bias).transpose(0, 1)
    # Contiguous in this order, as torch goes on to view it.
    return output.contiguous().view(*x.shape[:-1], output.shape[-1])


@cache
def _forward() -> Callable[..., Any]:
    functions: dict[str, Any] = {**vars(F), "linear": _examples_first_linear}
    for name in (
        "_in_projection",
        "_in_projection_packed",
        "multi_head_attention_forward",
    ):
        functions[name] = _with_globals(functions[name], functions)
    outer = {**vars(activation), "F": types.SimpleNamespace(**functions)}
    return _with_globals(nn.MultiheadAttention.forward, outer)


def _with_globals(function: Any, namespace: dict[str, Any]) -> Callable[..., Any]:
    copy = types.FunctionType(
        function.__code__,
        namespace,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


def rows_of(part: Tensor, whole: Tensor) -> tuple[int, int]:
    """First row and the one behind the last of a parameter that a part of it covers.

    Args:
        part: The parameter, or consecutive rows of it as a view.
        whole: The parameter.

    Returns:
        Start and stop.
    """
    offset = int(part.storage_offset()) - int(whole.storage_offset())
    start = offset // int(whole.stride(0))
    return start, start + part.shape[0]


def is_part_of(part: Tensor, whole: Tensor | None) -> bool:
    """Whether a tensor is a parameter or a view of it."""
    return whole is not None and (part is whole or part._base is whole)

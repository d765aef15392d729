"""Functions of the C library with their types, and which tensors they take."""

import ctypes
import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .build import library

POINTER, COUNT, NUMBER = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
RANGE = [COUNT, COUNT]  # first unit of work, and the one after the last

# Types of result and arguments, in the order of the C sources.
SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "token_sums": (ctypes.c_int, [POINTER] * 4 + [COUNT] * 4 + RANGE),
    "row_sums": (None, [POINTER] * 3 + [COUNT] * 2 + RANGE),
    "channel_sums": (None, [POINTER] * 6 + [COUNT] * 2 + [ctypes.c_int] + RANGE),
    "token_norm_sums": (None, [POINTER] * 6 + [COUNT] * 2 + RANGE),
    "sample": (None, [POINTER] * 4 + [NUMBER] * 2 + [ctypes.c_uint64] + RANGE),
    "vogn_update": (None, [POINTER] * 7 + [NUMBER] * 4 + RANGE),
    "product": (None, [POINTER] * 5 + RANGE),
    "ivon_update": (None, [POINTER] * 7 + [NUMBER] * 8 + RANGE),
    "vadam_update": (None, [POINTER] * 7 + [NUMBER] * 4 + RANGE),
}
KINDS = {torch.float32: "float", torch.float64: "double"}
PLAIN = (Tensor, nn.Parameter)


def supports(*tensors: Tensor) -> bool:
    """Whether the functions of this package take these tensors.

    Compiles the library at the first call in a process. The functions are not
    differentiable and do not look at `requires_grad`.

    Args:
        tensors: At least one.

    Returns:
        True if there is a library, all tensors are plain, contiguous, on the CPU, of
        one type out of float32 and float64, and no transform, trace or mode watches
        what torch does.
    """
    if not tensors or _watched() or library() is None:
        return False
    dtype = tensors[0].dtype
    return dtype in KINDS and all(_is_plain(tensor, dtype) for tensor in tensors)


def _watched() -> bool:
    """Whether something other than torch itself handles operations at present."""
    if torch.compiler.is_compiling():
        return True
    try:
        transform: Any = torch._C._functorch.peek_interpreter_stack()
        return transform is not None or torch._C._len_torch_dispatch_stack() > 0
    except AttributeError:  # a torch that names them differently: be careful
        return True


def _is_plain(tensor: Tensor, dtype: torch.dtype) -> bool:
    return (
        type(tensor) in PLAIN
        and tensor.dtype is dtype
        and tensor.is_cpu
        and tensor.layout is torch.strided
        and tensor.is_contiguous()
        and not tensor.is_neg()
        and (tensor.data_ptr() != 0 or tensor.numel() == 0)
    )


@functools.cache
def function(name: str, dtype: torch.dtype) -> Callable[..., Any]:
    """A function of the library.

    Args:
        name: Its name in C, without the type.
        dtype: float32 or float64.

    Returns:
        The function; it takes numbers, addresses and arrays as `SIGNATURES` says.
    """
    loaded = library()
    assert loaded is not None
    found = getattr(loaded, f"{name}_{KINDS[dtype]}")
    found.restype, found.argtypes = SIGNATURES[name]
    typed: Callable[..., Any] = found
    return typed


def addresses(tensors: Sequence[Tensor]) -> Any:
    """Addresses of the tensors' data, for an argument that is a list in C."""
    array: Any = (POINTER * len(tensors))(*[tensor.data_ptr() for tensor in tensors])
    array.tensors = tensors  # alive for as long as somebody has their addresses
    return array

"""Which way suits which convolution, and how many examples at a time.

The choice depends on shapes, type and device alone, never on a stopwatch, so that runs
can be repeated bit by bit. The figures come from one core of a Zen 4 server with 1 MiB
of second-level cache; where two ways cross over, they cost about the same.
"""

from collections.abc import Iterator
from enum import Enum

import torch
from torch import Tensor

from .correlation import Kernel, by_columns, by_groups, by_swapping, sums_by_tokens
from .reductions import Pair, Total, fast_elements, has_kernels


class Way(Enum):
    """The ways of `correlation`."""

    GROUPED = "grouped"
    SWAPPED = "swapped"
    COLUMNS = "columns"
    TOKENS = "tokens"


CONTRIBUTIONS = {
    Way.GROUPED: by_groups,
    Way.SWAPPED: by_swapping,
    Way.COLUMNS: by_columns,
    Way.TOKENS: by_columns,  # the sums alone need no contributions
}


def contributions(kernel: Kernel, signal: Tensor, at: Tensor) -> Tensor:
    """Per-example weight gradients.

    Args:
        kernel: The convolution.
        signal: What it slides over [N, C, *S], not padded.
        at: What it meets [N, O, *T].

    Returns:
        Contributions [N, O, C / G, *K].
    """
    way = chosen_way(kernel, signal, at)
    parts = _parts(way, kernel, signal, at)
    return torch.cat([CONTRIBUTIONS[way](kernel, *part) for part in parts])


def correlation_sums(kernel: Kernel, signal: Tensor, at: Tensor) -> Pair:
    """Sums of per-example weight gradients and of their squares.

    Args:
        kernel: The convolution.
        signal: What it slides over [N, C, *S], not padded.
        at: What it meets [N, O, *T].

    Returns:
        Two tensors [O, C / G, *K].
    """
    total, way = Total(), chosen_way(kernel, signal, at)
    for part in _parts(way, kernel, signal, at):
        if way is Way.TOKENS:
            total.add_sums(sums_by_tokens(kernel, *part))
        else:
            total.add(CONTRIBUTIONS[way](kernel, *part))
    return total.summed, total.squares


def chosen_way(kernel: Kernel, signal: Tensor, at: Tensor) -> Way:
    """The fastest way.

    Args:
        kernel: The convolution.
        signal: What it slides over [N, C, *S].
        at: What it meets [N, O, *T].

    Returns:
        The way; contributions come by columns where it is tokens.
    """
    outputs, channels, *taps = kernel.shape
    outputs //= kernel.groups  # of one group, as `channels`
    positions = at.shape[2:].numel()
    if _has_one_dnn(signal) and max(taps) > 1 and len(at):
        if channels == 1 and outputs <= 8:
            return Way.SWAPPED
        blocked = channels % 8 == 0 and outputs % 8 == 0  # else oneDNN is slow
        many = positions >= 128 or kernel.groups > 4
        if blocked and many and kernel.shape.numel() <= 2**16:
            return Way.GROUPED
    # To transpose large maps would cost more than to write contributions.
    few = positions <= 128 and kernel.groups <= 4
    return Way.TOKENS if few and has_kernels(at) else Way.COLUMNS


def _has_one_dnn(signal: Tensor) -> bool:
    """Whether a convolution of many groups is one call, not one call a group."""
    single = signal.is_cpu and signal.dtype == torch.float32
    return single and torch.backends.mkldnn.is_available()


def _parts(
    way: Way, kernel: Kernel, signal: Tensor, at: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Signal and `at` of as many examples at a time as suit the way."""
    size = max(1, _examples(way, kernel, signal, at))
    return zip(torch.split(signal, size), torch.split(at, size), strict=True)


def _examples(way: Way, kernel: Kernel, signal: Tensor, at: Tensor) -> int:
    """How many examples fit the caches."""
    weights = max(1, kernel.shape.numel())
    windows = max(1, kernel.shape[1:].numel() * kernel.groups * at.shape[2:].numel())
    if way is Way.GROUPED:
        return 2**19 // weights
    if way is Way.SWAPPED:
        return 2**19 // max(1, kernel.shape[0] * signal.shape[2:].numel())
    if way is Way.TOKENS:  # read from memory in order; sums are rewritten each time
        return max(2**20, 4 * weights) // windows
    fast = fast_elements(at)
    return min(fast // weights, max(2**20, fast) // windows)

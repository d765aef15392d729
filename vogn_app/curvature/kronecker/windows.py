"""What the kernel of a convolution sees: windows of its input, as rows.

A window lists the inputs in the order of `weight.flatten(1)`. Groups of channels do not
see each other, so each has windows of its own.

Axes: N examples, C channels, B groups, *S places of the input, *T positions of the
kernel, *K taps, n = C / B * K numbers in a window.
"""

import torch
from torch import Tensor

from ..rules.correlation import Kernel
from ..rules.reductions import fast_elements
from .moments import symmetric_sum


def positions_of(kernel: Kernel, x: Tensor) -> torch.Size:
    """Positions *T of a kernel over an input [N, C, *S]."""
    before, after = kernel.padding[::2][::-1], kernel.padding[1::2][::-1]
    dimensions = zip(
        x.shape[2:], before, after, kernel.shape[2:], kernel.dilation, kernel.stride,
        strict=True,
    )  # fmt: skip
    return torch.Size(
        (places + ahead + behind - apart * (taps - 1) - 1) // step + 1
        for places, ahead, behind, taps, apart, step in dimensions
    )


def window_rows(kernel: Kernel, x: Tensor) -> Tensor:
    """Every window of every example.

    Args:
        kernel: The convolution.
        x: Its input [N, C, *S].

    Returns:
        [B, N T, n], with consecutive rows next to each other in memory.
    """
    positions = positions_of(kernel, x)
    windows = kernel.windows(kernel.padded(x), positions)
    first = windows.ndim - len(positions)
    windows = windows.permute(*range(1, first), 0, *range(first, windows.ndim))
    length = len(x) * positions.numel()
    return windows.reshape(kernel.groups, kernel.shape[1:].numel(), length).mT


def window_products(kernel: Kernel, x: Tensor) -> Tensor:
    """Sum of outer products of all windows, of which few exist at a time.

    Args:
        kernel: The convolution.
        x: Its input [N, C, *S].

    Returns:
        [B, n, n], exactly symmetric.
    """
    size, elements = kernel.shape[1:].numel(), fast_elements(x)
    rows = max(size, elements // (size * kernel.groups))
    examples = max(1, rows // max(1, positions_of(kernel, x).numel()))
    return symmetric_sum(window_rows(kernel, part) for part in x.split(examples))


def summed_windows(kernel: Kernel, x: Tensor) -> Tensor:
    """Sum over positions of the windows of each example; no window is formed.

    Args:
        kernel: The convolution.
        x: Its input [N, C, *S].

    Returns:
        [B, N, n].
    """
    positions, sums = positions_of(kernel, x), kernel.padded(x)
    for taps, apart, step, length in zip(
        kernel.shape[2:], kernel.dilation, kernel.stride, positions, strict=True
    ):
        # Dimension 2 is the next one of places; its taps go last.
        shifted = [
            sums[:, :, tap * apart :: step].narrow(2, 0, length).sum(2)
            for tap in range(taps)
        ]
        sums = torch.stack(shifted, -1)
    size = (len(x), kernel.groups, kernel.shape[1:].numel())
    return sums.reshape(size).transpose(0, 1)

"""Per-example weight gradients of convolutions, in the ways that suit their shapes.

A convolution slides its kernel over a signal. The weight gradient of example n is

    contribution_n[o, c, k] = sum_t at_n[o, t] signal_n[c, stride t + dilation k]

with the padded input as signal and the output gradient as `at`, or the other way round
for transposed convolutions. There are four ways to have it:

    grouped   Examples become groups of one convolution, whose native weight gradient is
              the contribution. Writes every contribution in a layout of its own first,
              so weights should be small.
    swapped   `at` becomes a kernel that slides over the signal, each channel by itself.
              For one channel per group: up to ten times as fast as native weight
              gradients of depthwise layers.
    columns   Windows of the signal become columns: one matrix product an example.
    tokens    Windows become the tokens of a Linear layer, whose sums need not form
              contributions. Best for large weights on small maps.

Axes: N examples, C channels of the signal, O of `at`, G groups, S places of the signal,
T positions, K taps of the kernel; *S, *T and *K have one dimension, two or three.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own idiom

from .reductions import Pair, token_sums

_WEIGHT_ONLY = (False, True, False)

# oneDNN leaves its fast code for depthwise convolutions where the padding exceeds the
# outputs that a register block holds: four on AVX2, six on AVX-512.
FAST_PADDING = 4


@dataclass(frozen=True)
class Kernel:
    """What slides, and how.

    Args:
        shape: Shape of the weight [O, C / G, *K].
        stride: Step between positions, by dimension.
        dilation: Step between taps, by dimension.
        groups: Groups of channels that do not see each other.
        padding: What the signal lacks before and after, last dimension first, as
            `F.pad` takes it; negative where it has too much.
        mode: Mode of `F.pad`.
    """

    shape: torch.Size
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    padding: tuple[int, ...]
    mode: str = "constant"

    @property
    def plain_padding(self) -> tuple[int, ...] | None:
        """The padding as a convolution takes it, None where it cannot."""
        before, after = self.padding[::2], self.padding[1::2]
        plain = self.mode == "constant" and before == after and min(before) >= 0
        return before[::-1] if plain else None

    def padded(self, signal: Tensor) -> Tensor:
        """The signal [N, C, *S] with all that the windows reach."""
        return F.pad(signal, self.padding, self.mode) if any(self.padding) else signal

    def windows(self, signal: Tensor, positions: torch.Size) -> Tensor:
        """A view [N, C, *K, *T] of the padded signal."""
        taps, (example, channel, *steps) = self.shape[2:], signal.stride()
        strides = (
            *(step * apart for step, apart in zip(steps, self.dilation, strict=True)),
            *(step * apart for step, apart in zip(steps, self.stride, strict=True)),
        )
        size = (*signal.shape[:2], *taps, *positions)
        return signal.as_strided(size, (example, channel, *strides))


def by_groups(kernel: Kernel, signal: Tensor, at: Tensor) -> Tensor:
    """Contributions [N, O, C / G, *K] by a convolution with N G groups.

    Args:
        kernel: The convolution.
        signal: What it slides over [N, C, *S], not padded.
        at: What it meets [N, O, *T].

    Returns:
        The contributions.
    """
    padding = kernel.plain_padding
    if padding is None:
        signal, padding = kernel.padded(signal), (0,) * len(kernel.stride)
    num, outputs, *rest = len(at), *kernel.shape
    weight = at.new_empty(1).expand(num * outputs, *rest)  # only its shape is used
    gradient: Tensor = torch.ops.aten.convolution_backward(
        at.reshape(1, num * outputs, *at.shape[2:]),
        signal.reshape(1, -1, *signal.shape[2:]),
        weight,
        None,
        kernel.stride,
        padding,
        kernel.dilation,
        False,
        (0,) * len(padding),
        num * kernel.groups,
        _WEIGHT_ONLY,
    )[1]
    return gradient.view(num, *kernel.shape)


def by_swapping(kernel: Kernel, signal: Tensor, at: Tensor) -> Tensor:
    """Contributions [N, O, 1, *K] with `at` as a kernel of N O channels.

    Args:
        kernel: The convolution, with one channel per group.
        signal: What it slides over [N, C, *S], not padded.
        at: What it meets [N, O, *T].

    Returns:
        The contributions.
    """
    num, outputs, each = *at.shape[:2], at.shape[1] // signal.shape[1]
    zeros = (0,) * len(kernel.stride)
    padding = kernel.plain_padding
    if padding is None or max(padding) > FAST_PADDING:
        signal, padding = kernel.padded(signal), zeros
    if each > 1:
        signal = signal.repeat_interleave(each, 1)
    channels = num * outputs
    found = torch.convolution(
        signal.reshape(1, channels, *signal.shape[2:]),
        at.reshape(channels, 1, *at.shape[2:]),
        None,
        kernel.dilation,  # a step of the result is a step between taps,
        padding,
        kernel.stride,  # and positions are apart what they were
        False,
        zeros,
        channels,
    )
    for dimension, taps in enumerate(kernel.shape[2:], 2):
        found = found.narrow(dimension, 0, taps)  # a rim that no window needs
    return found.reshape(num, *kernel.shape)


def by_columns(kernel: Kernel, signal: Tensor, at: Tensor) -> Tensor:
    """Contributions [N, O, C / G, *K] by one matrix product per example and group.

    Args:
        kernel: The convolution.
        signal: What it slides over [N, C, *S], not padded.
        at: What it meets [N, O, *T].

    Returns:
        The contributions.
    """
    positions = at.shape[2:]
    windows = kernel.windows(kernel.padded(signal), positions)
    batch, length = len(at) * kernel.groups, positions.numel()
    columns = windows.reshape(batch, kernel.shape[1:].numel(), length)
    rows = at.reshape(batch, kernel.shape[0] // kernel.groups, length)
    return torch.bmm(rows, columns.transpose(1, 2)).view(len(at), *kernel.shape)


def sums_by_tokens(kernel: Kernel, signal: Tensor, at: Tensor) -> Pair:
    """Sums of contributions and of squares, without contributions if that is possible.

    Args:
        kernel: The convolution.
        signal: What it slides over [N, C, *S], not padded.
        at: What it meets [N, O, *T].

    Returns:
        Two tensors [O, C / G, *K].
    """
    # With channels last, a window is a few long runs in memory.
    signal = kernel.padded(signal).movedim(1, -1).contiguous().movedim(-1, 1)
    windows, dimensions = kernel.windows(signal, at.shape[2:]), len(kernel.stride)
    order = (0, *range(2 + dimensions, windows.ndim), *range(2, 2 + dimensions), 1)
    tokens, rows = windows.permute(order), at.flatten(2).transpose(1, 2)
    shape = (*rows.shape[:2], kernel.shape[1:].numel())
    groups = zip(
        tokens.chunk(kernel.groups, -1), rows.chunk(kernel.groups, 2), strict=True
    )
    pairs = [token_sums(each.reshape(shape), part) for each, part in groups]
    return (
        _as_weight(kernel, [summed for summed, _ in pairs]),
        _as_weight(kernel, [squares for _, squares in pairs]),
    )


def _as_weight(kernel: Kernel, groups: list[Tensor]) -> Tensor:
    """[O / G, K C / G] of each group as the weight's shape [O, C / G, *K]."""
    weight = torch.cat(groups) if len(groups) > 1 else groups[0]
    outputs, channels, *taps = kernel.shape
    return weight.view(outputs, *taps, channels).movedim(-1, 1).contiguous()

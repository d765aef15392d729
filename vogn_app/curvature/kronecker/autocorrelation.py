"""Products of windows from the autocorrelation of the input, without windows.

Where a kernel moves by single steps over zeros around its input, the sum over all places
where it meets the input depends on the distance of two taps alone:

    everywhere[k, c, k', c'] = sum_p x[c, p + k] x[c', p + k'] = r[c, c', k' - k]

so (2K - 1)^2 lags, half of them by symmetry, say what K^4 pairs of taps do, and Fourier
transforms give them all at once. A layer has fewer positions than that. Those it lacks
see a rim of the input only: along each dimension in turn, one lacking position leaves a
problem of one dimension less, which is solved the same way and taken off.

Axes: N examples, B groups, C channels of a group, *S places, *K taps, F frequencies,
L lags.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from math import prod

import torch
from torch import Tensor

from ..rules.correlation import Kernel
from .windows import positions_of

# Elements of products of spectra that exist at a time.
CACHED_ELEMENTS = 2**18


@dataclass(frozen=True)
class Axis:
    """One dimension of an input, and the kernel along it.

    Args:
        places: Length of the input, without padding.
        taps: Taps of the kernel.
        apart: Step between taps.
        starts: Places of the first tap, at all positions of the kernel.
    """

    places: int
    taps: int
    apart: int
    starts: range

    def everywhere(self) -> "Axis":
        """The same with every position in which a tap may meet the input."""
        starts = range(-self.apart * (self.taps - 1), self.places)
        return Axis(self.places, self.taps, self.apart, starts)

    def lacking(self) -> Iterator[list[tuple[int, range]]]:
        """Positions left out, with the taps that meet the input; by number of taps."""
        starts = (at for at in self.everywhere().starts if at not in self.starts)
        found = [(start, self.meeting(start)) for start in starts]
        found.sort(key=lambda each: len(each[1]))
        for number, each in groupby(found, key=lambda each: len(each[1])):
            if number:
                yield list(each)

    def meeting(self, start: int) -> range:
        """The taps that meet the input when the first is at a place."""
        first = max(0, -(start // self.apart))
        last = min(self.taps - 1, (self.places - 1 - start) // self.apart)
        return range(first, max(first, last + 1))


def axes_of(kernel: Kernel, x: Tensor) -> tuple[Axis, ...]:
    """How a kernel of single steps slides over an input [N, C, *S]."""
    before = kernel.padding[::2][::-1]
    dimensions = zip(
        x.shape[2:],
        kernel.shape[2:],
        kernel.dilation,
        before,
        positions_of(kernel, x),
        strict=True,
    )
    return tuple(
        Axis(places, taps, apart, range(-ahead, length - ahead))
        for places, taps, apart, ahead, length in dimensions
    )


def autocorrelation_products(kernel: Kernel, x: Tensor) -> Tensor:
    """Sum of outer products of all windows.

    Args:
        kernel: The convolution; of stride 1, and with zeros as padding.
        x: Its input [N, C, *S].

    Returns:
        [B, n, n], exactly symmetric.
    """
    axes = axes_of(kernel, x)
    found = _products(x.unflatten(1, (kernel.groups, -1)), axes)
    dimensions, blocks = len(axes), 2 * len(axes)
    order = (
        blocks, blocks + 1, *range(dimensions), blocks + 2, *range(dimensions, blocks)
    )  # fmt: skip
    size = kernel.shape[1:].numel()
    return found.permute(order).reshape(kernel.groups, size, size)


def _products(x: Tensor, axes: tuple[Axis, ...]) -> Tensor:
    """Sum of outer products of windows [*K, *K, B, C, C] of x [N, B, C, *S]."""
    result = _everywhere(x, axes)
    for at, axis in enumerate(axes):
        others = (*axes[:at], *(axis.everywhere() for axis in axes[at + 1 :]))
        for lacking in axis.lacking():
            rims = _products(_rims(x, at, axis, lacking), others)
            _take_off(result, rims, at, lacking)
    return result


def _rims(
    x: Tensor, at: int, axis: Axis, lacking: list[tuple[int, range]]
) -> Tensor:
    """What some positions along an axis see [N, P B, C t, *S without that axis].

    Args:
        x: The input [N, B, C, *S].
        at: Which dimension of places the axis is.
        axis: The axis.
        lacking: P positions, with the t taps that meet the input.

    Returns:
        The places that these taps meet, as channels.
    """
    places = [start + axis.apart * tap for start, taps in lacking for tap in taps]
    index = torch.tensor(places, device=x.device)
    seen = x.index_select(3 + at, index).movedim(3 + at, 3)
    seen = seen.unflatten(3, (len(lacking), -1)).movedim(3, 1)
    return seen.flatten(3, 4).flatten(1, 2)


def _take_off(
    result: Tensor, rims: Tensor, at: int, lacking: list[tuple[int, range]]
) -> None:
    """Subtract products [*K, *K, P B, C t, C t] without one axis from those with it."""
    dimensions, channels = result.ndim // 2 - 1, result.shape[-1]
    rims = rims.unflatten(-1, (channels, -1)).unflatten(-3, (channels, -1))
    rims = rims.movedim((-3, -1), (at, dimensions + at))
    for (_, taps), rim in zip(lacking, rims.chunk(len(lacking), -3), strict=True):
        part = result.narrow(at, taps.start, len(taps))
        part.narrow(dimensions + at, taps.start, len(taps)).sub_(rim)


def _everywhere(x: Tensor, axes: tuple[Axis, ...]) -> Tensor:
    """The products [*K, *K, B, C, C] of all windows that meet x [N, B, C, *S]."""
    if not axes:
        rows = x.transpose(0, 1)
        result = rows.mT @ rows
        return (result + result.mT) / 2
    half = _lagged(x, axes)
    half[0] = (half[0] + half[0].mT) / 2
    lags = torch.cat((half[1:].flip(0).mT, half))
    return lags[_lags_of_taps(axes).to(x.device)]


def _lags_of_taps(axes: tuple[Axis, ...]) -> Tensor:
    """Number of the lag from tap to tap [*K, *K], the most negative lag first."""
    result = torch.zeros((), dtype=torch.long)
    for at, axis in enumerate(axes):
        taps = torch.arange(axis.taps)
        apart = taps - taps[:, None] + axis.taps - 1
        shape = [1] * (2 * len(axes))
        shape[at] = shape[len(axes) + at] = axis.taps
        result = result * (2 * axis.taps - 1) + apart.view(shape)
    return result


def _lagged(x: Tensor, axes: tuple[Axis, ...]) -> Tensor:
    """Sums over examples and places of x x^T, one place a lag after the other.

    Args:
        x: The input [N, B, C, *S].
        axes: Its dimensions.

    Returns:
        [L, B, C, C] for the lag of nothing and those after it, half of all.
    """
    lengths = [_fast_length(axis.places + axis.apart * (axis.taps - 1)) for axis in axes]
    spectra, waves = _spectra(x, lengths), _waves(x, axes, lengths)
    size = max(1, CACHED_ELEMENTS // spectra[0, ..., 0].numel() // x.shape[2])
    blocks, channels = x.shape[1:3]
    result = spectra.new_zeros(len(waves), blocks * channels**2)
    for part, wave in zip(spectra.split(size), waves.split(size, 1), strict=True):
        part = part.flatten(0, 1)
        result.addmm_(wave, torch.bmm(part, part.mH).view(wave.shape[1], -1))
    return result.real.reshape(-1, blocks, channels, channels)


def _spectra(x: Tensor, lengths: list[int]) -> Tensor:
    """Fourier transforms [F, B, C, N / 2] of pairs of examples.

    An example is the real part and another the imaginary part of what is transformed:
    what mixes them in products of spectra is imaginary once transformed back.
    """
    half, (blocks, channels) = (len(x) + 1) // 2, x.shape[1:3]
    size = max(1, CACHED_ELEMENTS // max(1, half * blocks * prod(lengths)))
    pairs = x.new_zeros(half, blocks, min(size, channels), *lengths, 2)
    inside = pairs
    for dimension, places in enumerate(x.shape[3:], 3):
        inside = inside.narrow(dimension, 0, places)
    own = tuple(range(3, x.ndim))
    kind = torch.complex128 if x.dtype == torch.float64 else torch.complex64
    spectra = x.new_empty(*lengths, blocks, channels, half, dtype=kind)
    for at in range(0, channels, size):
        part = x[:, :, at : at + size]
        number = part.shape[2]
        inside[:, :, :number, ..., 0] = part[:half]
        inside[: len(x) - half, :, :number, ..., 1] = part[half:]
        found = torch.fft.fftn(torch.view_as_complex(pairs[:, :, :number]), dim=own)
        spectra[..., at : at + size, :] = found.permute(*own, 1, 2, 0)
    return spectra.flatten(0, len(lengths) - 1)


def _waves(x: Tensor, axes: tuple[Axis, ...], lengths: list[int]) -> Tensor:
    """Inverse Fourier transform [L, F] to lags from that of nothing on."""
    waves = torch.ones(1, 1, dtype=torch.complex128, device=x.device)
    for axis, length in zip(axes, lengths, strict=True):
        lags = axis.apart * torch.arange(1 - axis.taps, axis.taps, device=x.device)
        steps = lags[:, None] * torch.arange(length, device=x.device) % length
        angles = -2 * torch.pi / length * steps.double()
        waves = torch.kron(waves, torch.polar(torch.ones_like(angles), angles) / length)
    dtype = torch.complex128 if x.dtype == torch.float64 else torch.complex64
    return waves[len(waves) // 2 :].to(dtype)


def _fast_length(least: int) -> int:
    """The next length that Fourier transforms are fast for: of small factors."""
    while _without_small_factors(least) > 1:
        least += 1
    return least


def _without_small_factors(number: int) -> int:
    for factor in (2, 3, 5, 7):
        while number % factor == 0:
            number //= factor
    return number

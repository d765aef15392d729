"""Products of windows from the autocorrelation of the input, without windows.

Where a kernel moves by single steps over an input with zeros around it, the sum over
all places where it meets the input depends on the distance of two taps alone:

    everywhere[k, c, k', c'] = sum_p x[c, p + k] x[c', p + k'] = r[c, c', k' - k]

so (2K - 1)^2 lags, half of them by symmetry, say what K^4 pairs of taps do, and Fourier
transforms give them all at once. A layer has fewer positions than that. Those it lacks
see a rim of the input only: along each dimension in turn, one lacking position leaves a
problem of one dimension less, which is solved and taken off.

Axes: N examples, B groups, C channels of a group, *S places, *K taps, F frequencies,
L lags, P positions that lack, t taps that meet the input.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from itertools import chain
from math import pi, prod

import torch
from torch import Tensor

from ..rules.correlation import Kernel
from ..rules.reductions import fast_elements
from .axes import Axis, Lacking, Problem, prefers_windows
from .moments import symmetric_product
from .windows import positions_of, window_rows

# Where complex numbers are at home.
DEVICES = ("cpu", "cuda")


def prefers_autocorrelation(kernel: Kernel, x: Tensor) -> bool:
    """Whether products come cheaper this way than from windows.

    Args:
        kernel: The convolution.
        x: Its input [N, C, *S].

    Returns:
        Whether it is the cheaper way; False where there is no such way.
    """
    if x.device.type not in DEVICES or set(kernel.stride) != {1} or not x.numel():
        return False
    return not prefers_windows(_problem(*_among_zeros(kernel, x)))


def autocorrelation_products(kernel: Kernel, x: Tensor) -> Tensor:
    """Sum of outer products of all windows.

    Args:
        kernel: The convolution, of stride 1.
        x: Its input [N, C, *S].

    Returns:
        [B, n, n], exactly symmetric.
    """
    kernel, x = _among_zeros(kernel, x)
    found = _by_lags(x.unflatten(1, (kernel.groups, -1)), _problem(kernel, x))
    size = kernel.shape[1:].numel()
    order = _channels_first(len(kernel.stride))
    return found.permute(order).reshape(kernel.groups, size, size)


def _among_zeros(kernel: Kernel, x: Tensor) -> tuple[Kernel, Tensor]:
    """The same convolution with no padding but zeros."""
    if kernel.mode == "constant":
        return kernel, x
    bare = replace(kernel, padding=(0,) * len(kernel.padding), mode="constant")
    return bare, kernel.padded(x)


def _problem(kernel: Kernel, x: Tensor) -> Problem:
    """What is to be summed for a kernel of single steps and x [N, C, *S]."""
    dimensions = zip(
        x.shape[2:],
        kernel.shape[2:],
        kernel.dilation,
        kernel.padding[::2][::-1],
        positions_of(kernel, x),
        strict=True,
    )
    axes = tuple(
        Axis(places, taps, apart, range(-before, length - before))
        for places, taps, apart, before, length in dimensions
    )
    return Problem(len(x), kernel.groups, kernel.shape[1], axes)


# Below, products are [*K, *K, B, C, C]: a block in memory for each pair of taps.


def _products(x: Tensor, problem: Problem) -> Tensor:
    """Products of x [N, B, C, *S] in the cheaper way."""
    if prefers_windows(problem):
        return _by_windows(x, problem)
    return _by_lags(x, problem)


def _by_windows(x: Tensor, problem: Problem) -> Tensor:
    """Products from windows that are formed."""
    taps = [axis.taps for axis in problem.axes]
    pads = [
        (-axis.starts.start, axis.starts.stop + axis.reach - axis.places)
        for axis in reversed(problem.axes)
    ]
    kernel = Kernel(
        torch.Size((problem.blocks, problem.channels, *taps)),
        (1,) * len(taps),
        tuple(axis.apart for axis in problem.axes),
        problem.blocks,
        tuple(chain.from_iterable(pads)),
    )
    found = symmetric_product(window_rows(kernel, x.flatten(1, 2)))
    found = found.view(problem.blocks, *(problem.channels, *taps) * 2)
    order = _channels_first(len(taps))
    return found.permute(sorted(range(len(order)), key=order.__getitem__))


def _by_lags(x: Tensor, problem: Problem) -> Tensor:
    """Products from those of all lags."""
    result = _everywhere(x, problem.axes)
    for at, lacking, rim in problem.rims():
        seen = _rims(x, at, problem.axes[at], lacking)
        _take_off(result, _products(seen, rim), at, lacking)
    return result


def _channels_first(dimensions: int) -> tuple[int, ...]:
    """Order that makes [*K, *K, B, C, C] into [B, C, *K, C, *K]."""
    blocks = 2 * dimensions
    others = range(dimensions, blocks)
    return (blocks, blocks + 1, *range(dimensions), blocks + 2, *others)


def _rims(x: Tensor, at: int, axis: Axis, lacking: Iterable[Lacking]) -> Tensor:
    """What positions that lack along an axis see [N, P B, C t, *S without it]."""
    places = [[start + axis.apart * tap for tap in taps] for start, taps in lacking]
    index = torch.tensor(places, device=x.device)
    seen = x.index_select(3 + at, index.flatten()).movedim(3 + at, 3)
    seen = seen.unflatten(3, index.shape).movedim(3, 1)
    rims: Tensor = seen.flatten(3, 4).flatten(1, 2)
    return rims


def _take_off(result: Tensor, rims: Tensor, at: int, lacking: list[Lacking]) -> None:
    """Subtract products [*K, *K, P B, C t, C t] of rims, whose *K lack an axis."""
    dimensions, channels = result.ndim // 2 - 1, result.shape[-1]
    rims = rims.unflatten(-1, (channels, -1)).unflatten(-3, (channels, -1))
    rims = rims.movedim((-3, -1), (at, dimensions + at))
    for (_, taps), rim in zip(lacking, rims.chunk(len(lacking), -3), strict=True):
        part = result.narrow(at, taps.start, len(taps))
        part.narrow(dimensions + at, taps.start, len(taps)).sub_(rim)


def _everywhere(x: Tensor, axes: tuple[Axis, ...]) -> Tensor:
    """Products at all positions where a tap meets x [N, B, C, *S]."""
    half = _lagged(x, axes)
    half[0] = (half[0] + half[0].mT) / 2
    lags = torch.cat((half[1:].flip(0).mT, half))
    taps = tuple(axis.taps for axis in axes)
    result: Tensor = lags[_lags_of_taps(taps, x.device)]
    return result


@lru_cache(maxsize=256)
@torch.inference_mode(mode=False)
def _lags_of_taps(numbers: tuple[int, ...], device: torch.device) -> Tensor:
    """Which lag is from tap to tap [*K, *K], the most negative one being the first."""
    result = torch.zeros((), dtype=torch.long, device=device)
    for at, number in enumerate(numbers):
        taps = torch.arange(number, device=device)
        shape = [1] * (2 * len(numbers))
        shape[at] = shape[len(numbers) + at] = number
        lags = taps - taps[:, None] + number - 1
        result = result * (2 * number - 1) + lags.view(shape)
    return result


def _lagged(x: Tensor, axes: tuple[Axis, ...]) -> Tensor:
    """Sums over examples and places of x x^T, one of them a lag further.

    Args:
        x: The input [N, B, C, *S].
        axes: Its dimensions.

    Returns:
        [L, B, C, C] for the lag 0 and those after it, half of all.
    """
    periods = [axis.period for axis in axes]
    spectra = _spectra(x, periods)
    waves = _waves(axes, spectra)
    blocks, channels = x.shape[1:3]
    size = max(1, fast_elements(x) // (blocks * channels**2))
    result = spectra.new_zeros(len(waves), blocks * channels**2)
    for part, wave in zip(spectra.split(size), waves.split(size, 1), strict=True):
        rows = part.flatten(0, 1)
        result.addmm_(wave, torch.bmm(rows, rows.mH).view(wave.shape[1], -1))
    return result.real.reshape(-1, blocks, channels, channels)


def _spectra(x: Tensor, periods: list[int]) -> Tensor:
    """Fourier transforms [F, B, C, N / 2] of pairs of examples.

    An example is the real part and another the imaginary part of what is transformed:
    what mixes them in products of spectra is imaginary once transformed back.
    """
    half, (blocks, channels) = (len(x) + 1) // 2, x.shape[1:3]
    kind = torch.complex128 if x.dtype == torch.float64 else torch.complex64
    spectra = x.new_empty(*periods, blocks, channels, half, dtype=kind)
    size = max(1, 4 * fast_elements(x) // (half * blocks * prod(periods)))
    pairs = x.new_zeros(half, blocks, min(size, channels), *periods, 2)
    inside = pairs
    for dimension, places in enumerate(x.shape[3:], 3):
        inside = inside.narrow(dimension, 0, places)
    own = tuple(range(3, x.ndim))
    for part, found in zip(x.split(size, 2), spectra.split(size, -2), strict=True):
        number = part.shape[2]
        inside[:, :, :number, ..., 0] = part[:half]
        inside[: len(x) - half, :, :number, ..., 1] = part[half:]
        pair = torch.view_as_complex(pairs[:, :, :number])
        found.copy_(torch.fft.fftn(pair, dim=own).permute(*own, 1, 2, 0))
    return spectra.flatten(0, len(periods) - 1)


def _waves(axes: tuple[Axis, ...], like: Tensor) -> Tensor:
    """What makes lags [L, F], from 0 on, of the spectra's products Z_c conj(Z_c')."""
    first, *others = (_wave(axis, like.device, like.dtype) for axis in axes)
    waves = first[axes[0].taps - 1 :]
    for wave in others:
        waves = torch.kron(waves, wave)
    return waves[prod(len(axis.lags) for axis in axes[1:]) // 2 :]


@lru_cache(maxsize=256)
@torch.inference_mode(mode=False)
def _wave(axis: Axis, device: torch.device, kind: torch.dtype) -> Tensor:
    """Inverse Fourier transform [lags, period] along an axis, conjugated."""
    lags = axis.apart * torch.tensor(axis.lags, device=device)
    steps = lags[:, None] * torch.arange(axis.period, device=device)
    angles = -2 * pi / axis.period * (steps % axis.period).double()
    wave = torch.polar(torch.ones_like(angles), angles) / axis.period
    return wave.to(kind)

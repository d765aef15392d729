"""Noise for the weights and the step of VOGN, each in one pass over lists of tensors.

The lists of one call go together: tensors at the same place have the same number of
elements, all have one type, and no two share memory. `supports` accepts all of them.
"""

import ctypes

from torch import Tensor
from torch.autograd.graph import increment_version

from .build import BLOCK
from .library import COUNT, NUMBER, addresses, function
from .threads import in_parts


def sample_(
    samples: list[Tensor],
    means: list[Tensor],
    curvatures: list[Tensor],
    slope: float,
    offset: float,
    key: int,
) -> None:
    """Draw from a Gaussian: `mean + normal / sqrt(slope curvature + offset)`.

    Args:
        samples: Written.
        means: Left alone.
        curvatures: Left alone.
        slope: Of the precision as a function of the curvature.
        offset: Of the same; all precisions must be > 0.
        key: A whole number that gives the noise, modulo 2^64; the number of threads
            does not matter.
    """
    if not samples:
        return
    sizes = sizes_of(samples, means, curvatures)
    lists = [addresses(each) for each in (samples, means, curvatures)]
    call = function("sample", samples[0].dtype)

    def run(begin: int, end: int) -> None:
        call(*lists, sizes, slope, offset, key % 2**64, begin, end)

    in_parts(run, num_blocks(samples), 0.8 * sum(sizes))
    increment_version(samples)


def normals_(tensors: list[Tensor], key: int) -> None:
    """Fill tensors with standard normals.

    Args:
        tensors: Written.
        key: As for `sample_`, which uses the same numbers.
    """
    if not tensors:
        return
    sizes = sizes_of(tensors)
    lists = [addresses(tensors), None, None]
    call = function("sample", tensors[0].dtype)

    def run(begin: int, end: int) -> None:
        call(*lists, sizes, 0.0, 1.0, key % 2**64, begin, end)

    in_parts(run, num_blocks(tensors), 0.5 * sum(sizes))
    increment_version(tensors)


def vogn_update_(
    means: list[Tensor],
    gradients: list[Tensor],
    squares: list[Tensor] | None,
    momenta: list[Tensor],
    curvatures: list[Tensor],
    rates: list[float],
    *,
    momentum: float,
    decay: float,
    prior: float,
    damping: float,
) -> None:
    """One VOGN step in place, symbols as in `vogn_app.optim.vogn`.

    m = momentum m + (1 - momentum) (g + prior mu), s = decay s + (1 - decay) h,
    mu -= rate m / (s + damping + prior).

    Args:
        means: mu, changed.
        gradients: g, left alone.
        squares: h, left alone; None leaves s as it is.
        momenta: m, changed.
        curvatures: s, changed unless `squares` is None.
        rates: Learning rate over 1 - momentum^t, for each tensor.
        momentum: Weight of the past in m.
        decay: Weight of the past in s.
        prior: tau delta / N.
        damping: gamma.
    """
    if not means:
        return
    every = (means, gradients, squares, momenta, curvatures)
    sizes = sizes_of(*(tensors for tensors in every if tensors is not None))
    assert len(rates) == len(means)
    lists = [None if tensors is None else addresses(tensors) for tensors in every]
    numbers = (momentum, decay, prior, damping + prior)
    each = (NUMBER * len(rates))(*rates)
    call = function("vogn_update", means[0].dtype)

    def run(begin: int, end: int) -> None:
        call(*lists, sizes, each, *numbers, begin, end)

    in_parts(run, num_blocks(means), 0.6 * sum(sizes))
    increment_version([*means, *momenta, *([] if squares is None else curvatures)])


def sizes_of(
    first: list[Tensor], *others: list[Tensor]
) -> ctypes.Array[ctypes.c_int64]:
    """Numbers of elements; C would run over the end of a smaller tensor."""
    sizes = [tensor.numel() for tensor in first]
    for tensors in others:
        assert [tensor.numel() for tensor in tensors] == sizes
    return (COUNT * len(sizes))(*sizes)


def num_blocks(tensors: list[Tensor]) -> int:
    """How many units of work a list has."""
    return sum(-(-tensor.numel() // BLOCK) for tensor in tensors)

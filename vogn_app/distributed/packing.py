"""Flat buffers for what is sent: half of each symmetric matrix, half of each number.

A symmetric n x n matrix has n (n + 1) / 2 numbers. They are packed in bands of rows: of
each band the upper triangle at the diagonal, row by row, and then what lies to its
right. So the indices that are kept belong to triangles of at most one band, however
large the matrix is.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod

import torch
from torch import Tensor

BAND = 512  # rows; the indices of such a triangle take 1.5 MB
HALF_TYPES = (torch.bfloat16, torch.float16)
_TOP = 15  # scaled entries lie below 2^15; the largest float16 is almost 2^16
_EXPONENTS = (-100, 128)  # those whose scales float32 can hold


@dataclass(frozen=True)
class Entry:
    """A tensor that has a place in a flat buffer.

    Args:
        shape: Its shape.
        symmetric: Whether it holds symmetric matrices [..., n, n], of which the upper
            triangles are kept. Not to be guessed: kernels may be square as well.
    """

    shape: tuple[int, ...]
    symmetric: bool = False

    @property
    def size(self) -> int:
        """Numbers that it takes in the buffer."""
        if not self.symmetric:
            return prod(self.shape)
        if len(self.shape) < 2 or self.shape[-1] != self.shape[-2]:
            raise ValueError(
                f"shape must be that of square matrices, got {self.shape}."
            )
        return prod(self.shape[:-2]) * _triangle(self.shape[-1])


class Layout:
    """Where tensors lie in a flat buffer, one after the other.

    Args:
        entries: The tensors.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = tuple(entries)
        self.sizes = tuple(entry.size for entry in self.entries)
        self.size = sum(self.sizes)

    def pack(self, tensors: Sequence[Tensor], out: Tensor) -> Tensor:
        """Put tensors into a buffer.

        Args:
            tensors: As many as there are entries, in their shapes; of symmetric ones
                the lower triangles are not read.
            out: The buffer, [size]; numbers are converted to its type.

        Returns:
            The buffer.

        Raises:
            ValueError: If a tensor has another shape.
        """
        places = out.split(self.sizes)
        for entry, tensor, place in zip(self.entries, tensors, places, strict=True):
            if tensor.shape != entry.shape:
                raise ValueError(
                    f"tensors must have shape {entry.shape}, got {tuple(tensor.shape)}."
                )
            if entry.symmetric:
                _pack_triangles(tensor, place)
            else:
                place.view(entry.shape).copy_(tensor)
        return out

    def unpack(self, flat: Tensor) -> list[Tensor]:
        """Take tensors out of a buffer.

        Args:
            flat: The buffer, [size].

        Returns:
            Symmetric ones as new tensors, equal to their transposes to the last bit;
            others as views of the buffer.
        """
        places = flat.split(self.sizes)
        return [
            _unpack_triangles(place, entry.shape)
            if entry.symmetric else place.view(entry.shape)
            for entry, place in zip(self.entries, places, strict=True)
        ]  # fmt: skip

    def half(self, dtype: torch.dtype) -> "Half":
        """How to send such a buffer in half precision."""
        return Half(self.sizes, dtype)


def _triangle(size: int) -> int:
    return size * (size + 1) // 2


def _bands(size: int) -> Iterator[tuple[int, int, int, int]]:
    """First row, next one, and where triangle and rectangle end in the buffer."""
    end = 0
    for start in range(0, size, BAND):
        stop = min(start + BAND, size)
        rows = stop - start
        triangle = end + _triangle(rows)
        end = triangle + rows * (size - stop)
        yield start, stop, triangle, end


def _pack_triangles(matrices: Tensor, place: Tensor) -> None:
    size, count = matrices.shape[-1], prod(matrices.shape[:-2])
    matrices = matrices.reshape(count, size, size)
    place = place.view(count, _triangle(size))
    end = 0
    for start, stop, triangle, following in _bands(size):
        rows = matrices[:, start:stop]
        tile = rows[:, :, start:stop].flatten(1)
        upper, _ = _indices(stop - start, place.device)
        place[:, end:triangle] = tile.index_select(1, upper)
        rest = place[:, triangle:following]
        rest.unflatten(1, (stop - start, size - stop)).copy_(rows[:, :, stop:])
        end = following


def _unpack_triangles(place: Tensor, shape: tuple[int, ...]) -> Tensor:
    size, count = shape[-1], prod(shape[:-2])
    place = place.view(count, _triangle(size))
    result = place.new_empty(count, size, size)
    end = 0
    for start, stop, triangle, following in _bands(size):
        rows = stop - start
        _, whole = _indices(rows, place.device)
        tile = place[:, end:triangle].index_select(1, whole)
        result[:, start:stop, start:stop] = tile.unflatten(1, (rows, rows))
        rest = place[:, triangle:following].unflatten(1, (rows, size - stop))
        result[:, start:stop, stop:] = rest
        result[:, stop:, start:stop] = rest.mT
        end = following
    return result.view(shape)


@lru_cache(maxsize=256)
def _indices(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Of a flat matrix its upper triangle; and of that the symmetric flat matrix."""
    row, column = torch.triu_indices(size, size)
    number = torch.arange(len(row), dtype=torch.int32)
    whole = torch.empty(size, size, dtype=torch.int32)
    whole[row, column] = whole[column, row] = number
    upper = (row * size + column).int()
    return upper.to(device), whole.flatten().to(device)


@dataclass(frozen=True)
class Half:
    """Numbers in half precision, where each entry has a power of two as its scale.

    The scale brings an entry's largest number close below 2^15, so that float16
    neither overflows nor loses small numbers; it travels behind the numbers, as an
    exponent. Each rank scales by what it has: nothing must be agreed, nor the host
    wait. Who decodes before adding, as `sharding` does, rounds each rank's numbers
    once, and never a sum. With u = 2^-11 for float16 and 2^-8 for bfloat16

        |decoded - x| <= max(u |x|, 2^-39 largest |x| of the entry)

    and the sum of several ranks is off by the sum of those at most, whatever their
    number (and by what adding in single precision costs). A matrix X so becomes
    X + E, E symmetric, with a spectral norm of about u times the Frobenius norm of X
    at most: it may lack so much of being positive definite, which damping must cover.
    Numbers that are not finite stay so. The bound holds for entries whose largest
    number lies within 2^-100 and 2^127; smaller ones lose digits.

    Args:
        sizes: Numbers in each entry.
        dtype: torch.bfloat16 or torch.float16.
    """

    sizes: tuple[int, ...]
    dtype: torch.dtype

    def __post_init__(self) -> None:
        if self.dtype not in HALF_TYPES:
            names = ", ".join(str(dtype) for dtype in HALF_TYPES)
            raise ValueError(f"dtype must be one of {names}, got {self.dtype}.")

    @cached_property
    def size(self) -> int:
        """Numbers that are sent."""
        return sum(self.sizes) + len(self.sizes)

    def encode(self, flat: Tensor) -> Tensor:
        """Give what to send for numbers one entry after the other, [sum(sizes)]."""
        result = flat.new_empty(self.size, dtype=self.dtype)
        *places, last = result.split((*self.sizes, len(self.sizes)))
        parts = flat.split(self.sizes)
        exponents = _exponents_of(parts, flat)
        last.copy_(exponents)
        scales = torch.exp2(_TOP - exponents)
        for part, scale, place in zip(parts, scales, places, strict=True):
            torch.mul(part, scale, out=place)
        return result

    def decode(self, sent: Tensor, dtype: torch.dtype) -> Tensor:
        """Give the numbers back, in a type of at least single precision."""
        *places, exponents = sent.split((*self.sizes, len(self.sizes)))
        scales = torch.exp2(exponents.to(dtype) - _TOP)
        result = sent.new_empty(sum(self.sizes), dtype=dtype)
        for part, scale, place in zip(
            result.split(self.sizes), scales, places, strict=True
        ):
            part.copy_(place).mul_(scale)
        return result


def _exponents_of(parts: Sequence[Tensor], like: Tensor) -> Tensor:
    """Smallest e with |part| < 2^e of each, exact in half precision as well."""
    zero = like.new_zeros(())
    ranges = [part.aminmax() if part.numel() else (zero, zero) for part in parts]
    if not ranges:
        return like.new_empty(0)
    lowest, highest = (torch.stack(each) for each in zip(*ranges, strict=True))
    largest = torch.maximum(highest, -lowest)
    finite = torch.nan_to_num(largest, nan=1.0, posinf=1.0)
    return torch.frexp(finite).exponent.clamp(*_EXPONENTS).to(like.dtype)

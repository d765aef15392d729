"""Random numbers that belong to an example, not to the batch it is in."""

import zlib
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


class Draws:
    """Streams of random numbers, one an example.

    A stream follows from seed, kind and example alone. All severities of a kind begin
    it anew, so that they are the same accident in different strengths.

    Args:
        seed: Seed of all streams, at least 0.
        kind: Name of the corruption.
        indices: Number of each example, at least 0; N of them.
    """

    def __init__(self, seed: int, kind: str, indices: Sequence[int]) -> None:
        self._seed, self._kind, self._indices = seed, kind, indices

    @cached_property
    def _generators(self) -> list[np.random.Generator]:
        kind = zlib.crc32(self._kind.encode())  # `hash` differs between processes
        return [
            np.random.default_rng((self._seed, kind, index)) for index in self._indices
        ]

    def normals(self, *shape: int) -> NDArray[np.float32]:
        """Standard normals, ``[N, *shape]``."""
        return np.stack([
            generator.standard_normal(shape, dtype=np.float32)
            for generator in self._generators
        ])

    def uniforms(self, low: float, high: float, *shape: int) -> NDArray[np.float32]:
        """Uniform numbers between two bounds, ``[N, *shape]``."""
        units = np.stack([
            generator.random(shape, dtype=np.float32) for generator in self._generators
        ])
        scaled: NDArray[np.float32] = low + (high - low) * units
        return scaled

    def whole(self, low: int, high: int, *shape: int) -> NDArray[np.int64]:
        """Whole numbers from `low` to `high`, both included, ``[N, *shape]``."""
        return np.stack([
            generator.integers(low, high, shape, endpoint=True)
            for generator in self._generators
        ])

    def counts(self, means: NDArray[np.float32]) -> NDArray[np.float32]:
        """Poisson counts of the given means ``[N, ...]``, in their shape."""
        pairs = zip(self._generators, means, strict=True)
        return np.stack([generator.poisson(mean) for generator, mean in pairs]).astype(
            np.float32
        )

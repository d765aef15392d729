"""Noise for the weights, and for labels drawn from the model.

Every draw has a number, and its noise follows from the seed and that number alone: not
from which of several equal devices it is on, but from which comes first, second, ...
Numbers count the draws of all ranks together: rank r of W takes every W-th, so that
K draws on each of W ranks are the K W draws that one process would take.
"""

from typing import Any

import torch
from torch import Tensor

TRAINING, PREDICTION = "training_draws", "prediction_draws"  # the two counters
WEIGHTS, LABELS = 0, 1  # what noise is for
_MASK = 2**64 - 1


class NoiseSource:
    """Draws standard normals without touching torch's global generators.

    Args:
        seed: Seed of all noise.

    Raises:
        ValueError: If the seed is no whole number in [0, 2^63).
    """

    def __init__(self, seed: int) -> None:
        whole = isinstance(seed, int) and not isinstance(seed, bool)
        if not whole or not 0 <= seed < 2**63:
            raise ValueError(f"seed must be a whole number in [0, 2^63), got {seed!r}.")
        self.seed = seed
        self._counts = {TRAINING: 0, PREDICTION: 0}
        self._begin(TRAINING, 0)

    def _begin(self, kind: str, number: int) -> None:
        self._draw = hashed(self.seed, kind == PREDICTION, number)
        self._keys = 0
        self._generators: dict[tuple[torch.device, int], torch.Generator] = {}

    def begin_training(self, rank: int = 0, num_ranks: int = 1) -> None:
        """Begin the next draw to train with, which is another one on every rank.

        Args:
            rank: This process.
            num_ranks: Number of processes.
        """
        self._begin(TRAINING, self._counts[TRAINING] + rank)
        self._counts[TRAINING] += num_ranks

    def begin_at(self, step: int, rank: int = 0, num_ranks: int = 1) -> None:
        """Begin the draw of a step to train with, whatever came before."""
        self._begin(TRAINING, step * num_ranks + rank)

    def begin_prediction(self) -> None:
        """Begin the next draw to predict with, the same on every rank."""
        self._begin(PREDICTION, self._counts[PREDICTION])
        self._counts[PREDICTION] += 1

    def normals(self, tensors: list[Tensor]) -> list[Tensor]:
        """Draw a standard normal for every element of the given tensors.

        Args:
            tensors: Give shapes, types and devices.

        Returns:
            Noise in the shapes of `tensors`: views of one draw a device and type, which
            is faster than one a tensor.
        """
        sizes: dict[tuple[torch.device, torch.dtype], list[int]] = {}
        for tensor in tensors:
            sizes.setdefault((tensor.device, tensor.dtype), []).append(tensor.numel())
        drawn = {key: iter(self._normals(*key, each)) for key, each in sizes.items()}
        return [next(drawn[(t.device, t.dtype)]).view(t.shape) for t in tensors]

    def _normals(
        self, device: torch.device, dtype: torch.dtype, sizes: list[int]
    ) -> tuple[Tensor, ...]:
        generator = self._generator(device, WEIGHTS)
        flat = torch.randn(sum(sizes), generator=generator, device=device, dtype=dtype)
        return torch.split(flat, sizes)

    def key(self) -> int:
        """A number that the noise of the native kernels follows from, in [0, 2^63)."""
        self._keys += 1
        return hashed(self._draw, self._keys)

    def labels(self, device: torch.device) -> torch.Generator:
        """Generator of the labels that go with the present draw of the weights."""
        return self._generator(device, LABELS)

    def _generator(self, device: torch.device, purpose: int) -> torch.Generator:
        if (device, purpose) not in self._generators:
            # Equal noise on two devices would tie the weights there to each other.
            # Their own numbers differ from rank to rank, and when a run is resumed.
            place = 1 + sum(each == purpose for _, each in self._generators)
            seed = hashed(self._draw, purpose, place)
            generator = torch.Generator(device=device).manual_seed(seed)
            self._generators[device, purpose] = generator
        return self._generators[device, purpose]

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_generators": {}}

    def state_dict(self) -> dict[str, int]:
        """The seed, and how many draws there were."""
        return {"seed": self.seed, **self._counts}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where the source stood whose `state_dict` this is."""
        self.seed = state["seed"]
        self._counts = {kind: state[kind] for kind in self._counts}
        self._begin(TRAINING, self._counts[TRAINING])


def hashed(*numbers: int) -> int:
    """A number in [0, 2^63) that depends on all bits of all numbers (splitmix64)."""
    state = 0
    for number in numbers:
        state = (state ^ int(number)) + 0x9E3779B97F4A7C15 & _MASK
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & _MASK
        state = (state ^ state >> 27) * 0x94D049BB133111EB & _MASK
        state ^= state >> 31
    return state >> 1

"""Draws from the posterior, each from a generator of its own.

A draw is a function of its key alone. Keys follow from a seed one after another, so
draw k of a seed is the same however many are asked for, and in however many chunks.
"""

import torch
from torch import Tensor

LARGEST_SEED = 2**63  # what torch's generators take


def draw_keys(
    num_samples: int, seed: int | None = None, generator: torch.Generator | None = None
) -> list[int]:
    """Keys of the first draws of a seed, or of the next draws of a generator.

    Args:
        num_samples: Number of keys.
        seed: Whole number in [0, 2^63); 0 when neither it nor a generator is given.
        generator: Advanced by one number a key.

    Returns:
        Whole numbers in [0, 2^63).

    Raises:
        ValueError: If the seed is out of range, or both are given.
    """
    if generator is None:
        generator = torch.Generator().manual_seed(_checked(0 if seed is None else seed))
    elif seed is not None:
        raise ValueError(f"seed must be None beside a generator, got {seed!r}.")
    device = generator.device
    return [  # one call a key, or the generator would be left elsewhere on some devices
        int(torch.randint(LARGEST_SEED - 1, (), generator=generator, device=device))
        for _ in range(num_samples)
    ]


def _checked(seed: int) -> int:
    whole = isinstance(seed, int) and not isinstance(seed, bool)
    if not whole or not 0 <= seed < LARGEST_SEED:
        raise ValueError(f"seed must be a whole number in [0, 2^63), got {seed!r}.")
    return seed


class Sampler:
    """Draws mean + noise / sqrt(precision) for all sampled parameters in one go.

    Noise and sum are in float32, or in float64 if any parameter is, and rounded to the
    parameter's type at the end: half precision would spoil both.

    Args:
        mean: Means of the sampled parameters by name, on one device.
        precision: Precisions, > 0, of the same names and shapes.
    """

    def __init__(self, mean: dict[str, Tensor], precision: dict[str, Tensor]) -> None:
        # Sorted: a draw must not depend on the order in which a file keeps names.
        self._like = {name: mean[name] for name in sorted(precision)}
        self._dtype = wide_dtype(*self._like.values())
        self._mean = self._flat(list(self._like.values()))
        self._deviation = self._flat([precision[n] for n in self._like]).rsqrt()
        self.num_parameters = self._mean.numel()

    def __call__(self, keys: list[int]) -> dict[str, Tensor]:
        """Draw once for each key.

        Args:
            keys: From `draw_keys`; S of them.

        Returns:
            Draws [S, *shape] by name, in the types of the means.
        """
        device = self._mean.device
        generator = torch.Generator(device)
        draws = torch.empty(
            len(keys), self.num_parameters, dtype=self._dtype, device=device
        )
        for row, key in zip(draws, keys, strict=True):
            row.normal_(generator=generator.manual_seed(key))
        draws.mul_(self._deviation).add_(self._mean)
        sizes = [mean.numel() for mean in self._like.values()]
        parts = draws.split(sizes, dim=1) if sizes else ()
        return {
            name: part.view(len(keys), *mean.shape).to(mean.dtype)
            for (name, mean), part in zip(self._like.items(), parts, strict=True)
        }

    def _flat(self, tensors: list[Tensor]) -> Tensor:
        if not tensors:
            return torch.zeros(0, dtype=self._dtype)
        return torch.cat([tensor.flatten().to(self._dtype) for tensor in tensors])


def wide_dtype(*tensors: Tensor) -> torch.dtype:
    """float64 if any tensor is, otherwise float32."""
    wide = any(tensor.dtype == torch.float64 for tensor in tensors)
    return torch.float64 if wide else torch.float32

"""Noise for the weights, from generators of its own."""

from typing import Any

import torch
from torch import Tensor


class NoiseSource:
    """Draws standard normals without touching torch's global generators.

    Args:
        seed: Seed of the generator of every device.

    Raises:
        ValueError: If the seed is no whole number in [0, 2^63).
    """

    def __init__(self, seed: int) -> None:
        whole = isinstance(seed, int) and not isinstance(seed, bool)
        if not whole or not 0 <= seed < 2**63:
            raise ValueError(f"seed must be a whole number in [0, 2^63), got {seed!r}.")
        self.seed = seed
        self._generators: dict[torch.device, torch.Generator] = {}
        self._restored: dict[str, Tensor] = {}  # of devices not used since loading

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
        drawn = {key: iter(self._draw(*key, each)) for key, each in sizes.items()}
        return [next(drawn[(t.device, t.dtype)]).view(t.shape) for t in tensors]

    def key(self) -> int:
        """A number that the noise of the native kernels follows from, in [0, 2^63)."""
        generator = self._generator(torch.device("cpu"))
        return int(torch.empty((), dtype=torch.int64).random_(generator=generator))

    def _draw(
        self, device: torch.device, dtype: torch.dtype, sizes: list[int]
    ) -> tuple[Tensor, ...]:
        generator = self._generator(device)
        flat = torch.randn(sum(sizes), generator=generator, device=device, dtype=dtype)
        return torch.split(flat, sizes)

    def _generator(self, device: torch.device) -> torch.Generator:
        if device not in self._generators:
            generator = torch.Generator(device=device).manual_seed(self.seed)
            if (state := self._restored.pop(str(device), None)) is not None:
                generator.set_state(state.cpu())
            self._generators[device] = generator
        return self._generators[device]

    def __getstate__(self) -> dict[str, Any]:
        return {"seed": self.seed, "_generators": {}, "_restored": self.state_dict()}

    def state_dict(self) -> dict[str, Any]:
        """State of every generator by device."""
        used = {str(d): g.get_state() for d, g in self._generators.items()}
        return {**self._restored, **used}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` gave, be it on devices that are not here."""
        self._generators, self._restored = {}, dict(state)

"""Running mixup: every batch is mixed with the mixed batch before it.

From SP-NGD (Osawa et al. 2020, arXiv:2002.06015). With x_t the batch of step t and
x~_t what is trained on,

    x~_t = lambda x_t + (1 - lambda) x~_(t-1),    lambda = max(l, 1 - l),
    l ~ Beta(alpha, alpha), one for every example,

and the same for the labels as probabilities. The first batch is as it is.

Row i of a batch is mixed with the last mixed row i. So a smaller batch, as the last of
an epoch may be, takes the first rows and leaves the others for the batch after it.
Lambda depends on seed and step alone. Every rank mixes the whole batch, of which it
trains on its share: that costs a pass over the inputs, far less than the network does,
and the number of ranks changes nothing.
"""

from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own idiom

STREAM = 1  # of the random numbers of a step


@final
class RunningMixup:
    """Mixes batch after batch.

    Args:
        alpha: Of the Beta distribution, > 0; the larger, the more is mixed.
        num_classes: Number of classes C.
        seed: Seed of lambda, >= 0.
    """

    def __init__(self, alpha: float, num_classes: int, seed: int) -> None:
        self.alpha, self.num_classes, self.seed = alpha, num_classes, seed
        self._inputs: Tensor | None = None
        self._targets: Tensor | None = None

    def mix(self, inputs: Tensor, labels: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Mix a batch, and keep it for the next one.

        Args:
            inputs: Of the whole batch [N, ...].
            labels: Classes [N].
            step: Steps before this one, which decide lambda.

        Returns:
            Mixed inputs [N, ...] and the probabilities of the classes [N, C].
        """
        targets = F.one_hot(labels, self.num_classes).to(inputs.dtype)
        share = torch.from_numpy(self.shares(len(labels), step))
        share = share.to(inputs.device, inputs.dtype)
        self._inputs = _mixed(inputs, self._inputs, share)
        self._targets = _mixed(targets, self._targets, share)
        return self._inputs[: len(labels)], self._targets[: len(labels)]

    def shares(self, num_examples: int, step: int) -> NDArray[np.float64]:
        """Lambda of every example of a batch, in [0.5, 1]."""
        generator = np.random.default_rng((self.seed, step, STREAM))
        drawn = generator.beta(self.alpha, self.alpha, num_examples)
        return np.maximum(drawn, 1 - drawn)

    def state_dict(self) -> dict[str, Tensor]:
        """The last mixed batch, {} before the first."""
        if self._inputs is None or self._targets is None:
            return {}
        return {"inputs": self._inputs, "targets": self._targets}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state_dict` gave, of tensors on the batches' device."""
        self._inputs, self._targets = state.get("inputs"), state.get("targets")


def _mixed(rows: Tensor, before: Tensor | None, share: Tensor) -> Tensor:
    """Mixed rows, and behind them those of `before` that had no partner."""
    if before is None:
        return rows
    size = min(len(rows), len(before))
    share = share[:size].reshape(-1, *[1] * (rows.ndim - 1))
    mixed = torch.lerp(before[:size], rows[:size], share)
    rest = rows[size:] if len(rows) > size else before[size:]
    return torch.cat([mixed, rest]) if len(rest) else mixed

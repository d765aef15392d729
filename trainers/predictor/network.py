"""The network of a finished run under its posterior samples, held ready to predict.

The samples are those that the run was evaluated with: an image of the test set gets the
very probabilities of predictions.npz. They are drawn once, and kept.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from trainers.batches import DeviceSplit
from trainers.predict import BATCH_SIZE, draws_of
from trainers.trained import Trained

MAX_DRAWN = 2**30  # bytes of weights in all samples; of large networks fewer are kept


class Network:
    """What predicts; the dataset it was loaded with may be forgotten.

    Args:
        trained: A finished run.
        max_drawn: Most bytes of drawn weights; of a mixture as many draws more as it
            takes for all its components to count alike.

    Attributes:
        input_shape: Shape of one input.
        num_classes: C.
        fill: The training images' mean colour as bytes, ``[channels]``; None of points.
    """

    def __init__(self, trained: Trained, max_drawn: int = MAX_DRAWN) -> None:
        data = trained.data
        self.input_shape, self.num_classes = data.input_shape, data.num_classes
        # Of an example: its mean and scale are those of all.
        self._like = DeviceSplit.of(
            data.train.take(np.arange(1)), data.normalisation, trained.device
        )
        self.fill = None
        if data.train.inputs.dtype == np.uint8:
            scaled = np.rint(255 * data.normalisation.mean)
            self.fill = np.clip(scaled, 0, 255).astype(np.uint8)
        self._model = trained.model.eval()
        self._draws = _drawn(trained, max_drawn)

    @property
    def num_samples(self) -> int:
        """S, 0 for one set of weights."""
        return 0 if self._draws is None else len(self._draws)

    @torch.no_grad()
    def predict(
        self, inputs: NDArray[Any], num_samples: int | None = None
    ) -> NDArray[np.float32]:
        """Class probabilities under each sample.

        Args:
            inputs: As the dataset has them, ``[N, *input_shape]``.
            num_samples: At most how many of the samples, from all over them, as those
                of a chain change on its way; by default all.

        Returns:
            ``[S, N, C]``, or ``[1, N, C]`` of one set of weights.
        """
        draws: list[Mapping[str, Tensor]] = [{}]
        if self._draws is not None:
            draws = _spread(self._draws, num_samples)
        rows: list[NDArray[np.float32]] = []
        for start in range(0, len(inputs), BATCH_SIZE):
            batch = inputs[start : start + BATCH_SIZE]
            # Torch warns of arrays that may not be written to, as a message's are.
            own = batch if batch.flags.writeable else batch.copy()
            x = torch.from_numpy(own).to(self._like.mean.device)
            x = self._like.normalised(x)
            rows.append(np.stack([self._probabilities(draw, x) for draw in draws]))
        return np.concatenate(rows, axis=1)

    def _probabilities(
        self, draw: Mapping[str, Tensor], x: Tensor
    ) -> NDArray[np.float32]:
        logits = functional_call(self._model, dict(draw), (x,))
        found: NDArray[np.float32] = logits.softmax(-1).float().cpu().numpy()
        return found


def _drawn(trained: Trained, max_drawn: int) -> list[Mapping[str, Tensor]] | None:
    """The samples of the evaluation: a run just loaded draws the same ones first."""
    optimizer, model = trained.optimizer, trained.model
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    wanted = min(trained.config.evaluation.test_samples, max_drawn // size)
    draws: list[Mapping[str, Tensor]] = []
    for drawn in draws_of(model, optimizer, max(1, wanted)):
        with drawn:
            draws.append(_copies(model))
    return draws or None


def _spread(draws: list[Mapping[str, Tensor]], wanted: int | None) -> list[Any]:
    """At most so many of the draws, evenly spaced; all for None."""
    total = len(draws)
    count = total if wanted is None else min(wanted, total)
    return [draws[place * total // count] for place in range(count)]


def _copies(model: nn.Module) -> Mapping[str, Tensor]:
    """Weights and buffers: members of an ensemble have statistics of their own."""
    tensors = (*model.named_parameters(), *model.named_buffers())
    return {name: tensor.detach().clone() for name, tensor in tensors}

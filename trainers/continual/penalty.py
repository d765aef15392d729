"""Elastic weight consolidation: a pull to the weights of earlier tasks.

Paper: Kirkpatrick et al. (2017), "Overcoming catastrophic forgetting in neural
networks", arXiv:1612.00796, equation 3. While task T is learned the loss is

    loss + (lambda / 2) sum_{t < T} sum_i F_ti (w_i - w_ti)^2

with w_t the weights when task t had been learned and F_t the diagonal of the Fisher
information there: the mean over task t's images of the squared gradients of each
image's own loss, at a label drawn from the network's own prediction.

All earlier tasks need two sums only, however many they are:
F = sum_t F_t and A = sum_t F_t w_t, for the gradient is lambda (F w - A).
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own idiom

from vogn_app.curvature import SquareCapture

Weights = dict[str, Tensor]  # by name, in the shapes of the parameters


def diagonal_fisher(
    model: nn.Module, inputs: Iterable[Tensor], generator: torch.Generator
) -> Weights:
    """The diagonal of the Fisher information of a classifier's weights.

    Args:
        model: Gives logits; gradients it holds are lost.
        inputs: Batches of images [B, ...].
        generator: Draws the labels, on the device of the inputs.

    Returns:
        Mean squares of the gradients of single images, by parameter name.
    """
    parameters = dict(model.named_parameters())
    capture = SquareCapture(model, parameters)
    sums = {name: torch.zeros_like(p) for name, p in parameters.items()}
    num_images = 0
    for batch in inputs:
        with torch.no_grad():
            chances = model(batch).softmax(-1)
        labels = torch.multinomial(chances, 1, generator=generator)[:, 0]
        model.zero_grad()  # gradients are compared with the squares' own
        with capture.recording() as recording:
            F.cross_entropy(model(batch), labels, reduction="sum").backward()
        for name, squares in recording.squares.sums.items():
            sums[name] += squares
        num_images += len(batch)
    model.zero_grad()
    return {name: total / num_images for name, total in sums.items()}


class Penalty:
    """The pull of all earlier tasks.

    Args:
        strength: Lambda, >= 0.
    """

    def __init__(self, strength: float) -> None:
        self.strength = strength
        self.fisher: Weights = {}
        self.anchors: Weights = {}

    def add(self, fisher: Mapping[str, Tensor], model: nn.Module) -> None:
        """Hold on to the weights that a model has now, by their Fisher information."""
        for name, parameter in model.named_parameters():
            anchor = fisher[name] * parameter.detach()
            if name in self.fisher:
                self.fisher[name] += fisher[name]
                self.anchors[name] += anchor
            else:
                self.fisher[name] = fisher[name].clone()
                self.anchors[name] = anchor

    @torch.no_grad()
    def pull(self, model: nn.Module) -> None:
        """Add the penalty's gradient to those that a model holds."""
        for name, parameter in model.named_parameters():
            if name in self.fisher and parameter.grad is not None:
                pull = self.fisher[name] * parameter - self.anchors[name]
                parameter.grad.add_(pull, alpha=self.strength)

    def state_dict(self) -> dict[str, Weights]:
        """Both sums."""
        return {"fisher": self.fisher, "anchors": self.anchors}

    def load_state_dict(self, state: Mapping[str, Weights]) -> None:
        """Restore what `state_dict` gave."""
        self.fisher = {n: t.clone() for n, t in state["fisher"].items()}
        self.anchors = {n: t.clone() for n, t in state["anchors"].items()}

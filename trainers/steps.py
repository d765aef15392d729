"""One step of any optimizer, on the batch or on a rank's share of it."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own idiom
from torch.optim import Optimizer

from vogn_app import VOGN


def train_step(
    model: nn.Module,
    optimizer: Optimizer,
    inputs: Tensor,
    labels: Tensor,
    weight: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """One step of any optimizer.

    Args:
        model: The network.
        optimizer: Its optimizer; with a posterior it draws its weights `num_samples`
            times.
        inputs: Normalised inputs [N, ...]; N may be 0 if it draws its weights.
        labels: Classes [N].
        weight: Factor of the gradient; one that draws its weights has no use for it,
            since it averages over ranks by numbers of examples.

    Returns:
        Mean loss, and number of right predictions, as tensors on the device.
    """
    if not isinstance(optimizer, VOGN):
        optimizer.zero_grad()
        loss, correct = _forward_backward(model, inputs, labels, weight)
        optimizer.step()
        return loss, correct
    losses, corrects = [], []
    for _ in range(optimizer.num_samples):
        with optimizer.sampled_params(train=True):
            loss, correct = _forward_backward(model, inputs, labels)
        losses.append(loss)
        corrects.append(correct)
    optimizer.step()
    return torch.stack(losses).mean(), torch.stack(corrects).float().mean()


def _forward_backward(
    model: nn.Module, inputs: Tensor, labels: Tensor, weight: float = 1.0
) -> tuple[Tensor, Tensor]:
    if not len(labels):
        nothing = inputs.new_zeros(())
        return nothing, nothing
    logits = model(inputs)
    loss = F.cross_entropy(logits, labels)
    (loss if weight == 1.0 else loss * weight).backward()
    return loss.detach(), (logits.detach().argmax(-1) == labels).sum()

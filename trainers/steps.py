"""One step of any optimizer, on the batch or on a rank's share of it."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own idiom
from torch.optim import Optimizer

from trainers.abilities import Sampled


def train_step(
    model: nn.Module,
    optimizer: Optimizer,
    inputs: Tensor,
    targets: Tensor,
    weight: float = 1.0,
    label_smoothing: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """One step of any optimizer.

    Args:
        model: The network.
        optimizer: Its optimizer, as are all arguments those of `gradients`.
        inputs: Normalised inputs.
        targets: Classes, or probabilities of classes.
        weight: Factor of the gradient.
        label_smoothing: Share of a target that goes to all classes alike.

    Returns:
        Mean loss, and number of right predictions, as tensors on the device.
    """
    result = gradients(model, optimizer, inputs, targets, weight, label_smoothing)
    optimizer.step()
    return result


def gradients(
    model: nn.Module,
    optimizer: Optimizer,
    inputs: Tensor,
    targets: Tensor,
    weight: float = 1.0,
    label_smoothing: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """What an optimizer needs for a step: forward and backward passes.

    Args:
        model: The network.
        optimizer: Its optimizer; one that is `Sampled` draws its weights
            `num_samples` times.
        inputs: Normalised inputs [N, ...]; N may be 0 if it averages over the ranks by
            itself, see `trainers.abilities`.
        targets: Classes [N], or probabilities of classes [N, C].
        weight: Factor of the gradient, 1 for one that averages by itself.
        label_smoothing: Share of a target that goes to all classes alike.

    Returns:
        Mean loss, and number of right predictions, as tensors on the device.
    """
    if not isinstance(optimizer, Sampled):
        optimizer.zero_grad()
        return _forward_backward(model, inputs, targets, weight, label_smoothing)
    losses, corrects = [], []
    for _ in range(optimizer.num_samples):
        with optimizer.sampled_params(train=True):
            loss, correct = _forward_backward(
                model, inputs, targets, weight, label_smoothing
            )
        losses.append(loss)
        corrects.append(correct)
    return torch.stack(losses).mean(), torch.stack(corrects).float().mean()


def _forward_backward(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    weight: float,
    label_smoothing: float,
) -> tuple[Tensor, Tensor]:
    if not len(targets):
        nothing = inputs.new_zeros(())
        return nothing, nothing
    logits = model(inputs)
    loss = F.cross_entropy(logits, targets, label_smoothing=label_smoothing)
    (loss if weight == 1.0 else loss * weight).backward()
    labels = targets if targets.ndim == 1 else targets.argmax(-1)
    return loss.detach(), (logits.detach().argmax(-1) == labels).sum()

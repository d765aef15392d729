"""Weights of a fixed norm: w <- sqrt(2 d_out) w / (||w|| + 1e-9) after every step.

As in SP-NGD (Osawa et al. 2020): behind a layer whose output is normalised the size of
its weights changes nothing but the effect of a step, which shrinks as they grow. The
norm is that of He's initialisation, with d_out the output channels or features. It is
done to every linear and convolutional layer, the last one included; biases, embeddings
and norm layers keep theirs. Where nothing is normalised it limits the network.
"""

import math

import torch
from torch import Tensor, nn

TINY = 1e-9
LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def rescaled_weights(model: nn.Module) -> list[Tensor]:
    """The weights of a network that are to be rescaled, tied ones once."""
    weights = (m.weight for m in model.modules() if isinstance(m, LAYERS))
    return list({id(w): w for w in weights if w.requires_grad}.values())


@torch.no_grad()
def rescale(weights: list[Tensor]) -> None:
    """Give each weight [d_out, ...] the norm sqrt(2 d_out), in place."""
    if not weights:
        return
    norms = torch._foreach_norm(weights)
    torch._foreach_add_(norms, TINY)
    torch._foreach_reciprocal_(norms)
    torch._foreach_mul_(norms, [math.sqrt(2 * len(weight)) for weight in weights])
    torch._foreach_mul_(weights, norms)

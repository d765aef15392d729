"""Taps: what a layer's input and the gradient of its output are, during backward.

A tap is an identity on the output of a layer, put there by a forward hook. It marks the
output as changed in place instead of copying it, so that what follows may change it in
place too, and saves the input as operations do: checkpoints drop it and compute it
again.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Receive = Callable[[Tensor, Tensor], None]


class _Tap(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, output: Tensor, x: Tensor, receive: Receive) -> Tensor:
        ctx.mark_dirty(output)
        ctx.save_for_backward(x)
        ctx.receive = receive
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        # Of many gradients at once (`is_grads_batched`) none accumulates.
        if not torch._C._functorch.is_legacy_batchedtensor(gradient):
            with torch.no_grad():
                ctx.receive(x.detach(), gradient.detach())
        return gradient, None, None


def tapped(output: Tensor, x: Tensor, receive: Receive) -> Tensor:
    """Watch a layer's call.

    Args:
        output: What it gave; requires a gradient.
        x: Its input.
        receive: Called in the backward pass with the input and the output's gradient.

    Returns:
        The output, to be used instead.
    """
    result: Tensor = _Tap.apply(output, x.detach(), receive)
    return result

"""Sums and sums of squares over examples: native kernels, or plain torch.

The native kernels take CPU tensors of float32 and float64 where they could be compiled;
everything else, and every other device, takes the torch formulas. Both subtract means
before they multiply, so that float32 keeps its digits where the mean is far from zero.

Axes: N examples, T tokens or positions, I inputs, O outputs, C channels, D features.
"""

import torch
from torch import Tensor

from ... import kernels

Pair = tuple[Tensor, Tensor]

# Elements of contributions that exist at a time. On a CPU these stay in a core's cache
# while they are summed; elsewhere launches cost more than memory traffic.
CACHED_ELEMENTS = 2**18
DEVICE_ELEMENTS = 2**24

# With one token the native kernel has no product to save: it equals two products of
# torch's where registers are wide, and loses elsewhere (measured 1.0 and 1.9 times).
FUSED_OUTER = torch.backends.cpu.get_cpu_capability() == "AVX512"


class Total:
    """Sum and sum of squares, over examples that arrive in chunks."""

    def __init__(self) -> None:
        self.sums: Pair | None = None

    def add(self, rows: Tensor) -> None:
        """Add contributions [n, *shape] of new examples, which may be overwritten."""
        if self.sums is not None and len(rows) == 1:
            self.sums[0].add_(rows[0])
            self.sums[1].addcmul_(rows[0], rows[0])
        else:
            self.add_sums(row_sums(rows))

    def add_sums(self, new: Pair) -> None:
        """Add a sum and a sum of squares [*shape] of new examples."""
        if self.sums is None:
            self.sums = new
        else:
            self.sums[0].add_(new[0])
            self.sums[1].add_(new[1])

    @property
    def summed(self) -> Tensor:
        """Sum over the examples so far [*shape]."""
        assert self.sums is not None
        return self.sums[0]

    @property
    def squares(self) -> Tensor:
        """Sum of squares over the examples so far [*shape]."""
        assert self.sums is not None
        return self.sums[1]


def has_kernels(like: Tensor) -> bool:
    """Whether native kernels take such tensors, once contiguous."""
    return kernels.supports(like.new_empty(0))


def fast_elements(like: Tensor) -> int:
    """Elements of contributions to make at a time on a tensor's device."""
    return CACHED_ELEMENTS if like.is_cpu else DEVICE_ELEMENTS


def row_sums(rows: Tensor) -> Pair:
    """Sum over dimension 0, and of squares.

    Args:
        rows: Contributions [n, *shape]; may be overwritten.

    Returns:
        Two tensors [*shape].
    """
    if kernels.supports(rows):
        shape = rows.shape[1:]
        summed, squares = kernels.row_sums(rows.view(len(rows), shape.numel()))
        return summed.view(shape), squares.view(shape)
    return rows.sum(0), rows.square_().sum(0)


def token_sums(x: Tensor, g: Tensor) -> Pair:
    """Sums of the products `g_n^T x_n` of examples, and of their squares.

    Args:
        x: Inputs [N, T, I], any strides.
        g: Output gradients [N, T, O], any strides.

    Returns:
        Two tensors [O, I].
    """
    if x.shape[1] == 1 and not FUSED_OUTER:
        return outer_sums(x[:, 0], g[:, 0])
    if kernels.supports(x, g):
        return kernels.token_sums(x, g)
    if has_kernels(x) and x.dtype == g.dtype:
        return kernels.token_sums(x.contiguous(), g.contiguous())
    if x.shape[1] == 1:
        return outer_sums(x[:, 0], g[:, 0])
    total = Total()
    size = max(1, fast_elements(x) // max(1, x.shape[2] * g.shape[2]))
    for x_part, g_part in zip(torch.split(x, size), torch.split(g, size), strict=True):
        total.add(torch.bmm(g_part.transpose(1, 2), x_part))
    return total.summed, total.squares


def outer_sums(x: Tensor, g: Tensor) -> Pair:
    """Sums of outer products without forming them: (g x^T)^2 = g^2 (x^2)^T.

    Args:
        x: Inputs [N, I].
        g: Output gradients [N, O].

    Returns:
        Two tensors [O, I].
    """
    return g.T @ x, g.square().T @ x.square()


def channel_sums(x: Tensor, g: Tensor, mean: Tensor, scale: Tensor) -> Pair:
    """Gradients of scale and shift of channels, example by example.

    Args:
        x: Inputs [N, C, T].
        g: Output gradients [N, C, T].
        mean: Mean of each channel, [C] or [N, C].
        scale: One over the deviation, of the same shape.

    Returns:
        `scale * sum_t g (x - mean)` and `sum_t g`, [N, C] each.
    """
    ready = x, g, mean.contiguous(), scale.contiguous()
    if kernels.supports(*ready):
        return kernels.channel_sums(*ready)
    return (x - mean.unsqueeze(-1)).mul_(g).sum(2).mul_(scale), g.sum(2)


def token_norm_sums(x: Tensor, g: Tensor, mean: Tensor, scale: Tensor) -> Pair:
    """Gradients of scale and shift of features, example by example.

    Args:
        x: Inputs [N, T, D].
        g: Output gradients [N, T, D].
        mean: Mean of each token [N, T].
        scale: One over each token's deviation [N, T].

    Returns:
        `sum_t scale g (x - mean)` and `sum_t g`, [N, D] each.
    """
    ready = x, g, mean.contiguous(), scale.contiguous()
    if kernels.supports(*ready):
        return kernels.token_norm_sums(*ready)
    products = (x - mean.unsqueeze(2)).mul_(g)
    return torch.bmm(scale.unsqueeze(1), products).squeeze(1), g.sum(1)

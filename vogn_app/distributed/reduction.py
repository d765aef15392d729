"""Sums over the processes of a data-parallel run."""

import torch
import torch.distributed as dist
from torch import Tensor


def sum_over_ranks(tensors: list[Tensor]) -> None:
    """Add up each tensor over all processes, in place, by one collective a type.

    Args:
        tensors: In the same order, shapes and types on every process.
    """
    kinds: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for tensor in tensors:
        kinds.setdefault((tensor.device, tensor.dtype), []).append(tensor)
    for members in kinds.values():
        flat = torch.cat([tensor.reshape(-1) for tensor in members])
        dist.all_reduce(flat)
        sizes = [tensor.numel() for tensor in members]
        for tensor, summed in zip(members, flat.split(sizes), strict=True):
            tensor.copy_(summed.view_as(tensor))

"""The processes that train one model together."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

Group = dist.ProcessGroup | str | None
DEFAULT_GROUP = "default"
# Attributes of a DistributedDataParallel that sends nothing in its backward pass.
_SILENT = {
    "require_backward_grad_sync": False,
    "_static_graph_delay_allreduce_enqueued": True,  # or the first pass would send
}
_WHOLE = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # by size


@dataclass(frozen=True)
class Ranks:
    """This process among those it shares a model with.

    Args:
        rank: Number of this process within the group.
        size: Number of processes.
        group: Their process group; None for a lone process.
    """

    rank: int = 0
    size: int = 1
    group: dist.ProcessGroup | None = None

    @property
    def several(self) -> bool:
        """Whether there is anybody else."""
        return self.size > 1


def ranks_of(group: Group, model: nn.Module) -> Ranks:
    """Find this process in a group.

    Args:
        group: A process group; "default" for torch's own once it is initialised; None
            for this process alone.
        model: The model; a DistributedDataParallel has a group of its own, which then
            is the default.

    Returns:
        Rank and size; those of a lone process where nothing is initialised.
    """
    chosen = _default_group(model) if isinstance(group, str) else group
    if chosen is None:
        return Ranks()
    return Ranks(dist.get_rank(chosen), dist.get_world_size(chosen), chosen)


def _default_group(model: nn.Module) -> dist.ProcessGroup | None:
    """The model's group or torch's own; not just None, which hides if it is new."""
    if not (dist.is_available() and dist.is_initialized()):
        return None
    if isinstance(model, DistributedDataParallel):
        own: dist.ProcessGroup = model.process_group
        return own
    return dist.group.WORLD


def check_process_group(group: Group) -> Group:
    """Return a group as `ranks_of` takes it; ValueError names another argument."""
    known = group is None or group == DEFAULT_GROUP
    if known or (dist.is_available() and isinstance(group, dist.ProcessGroup)):
        return group
    raise ValueError(
        f"process_group must be a ProcessGroup, {DEFAULT_GROUP!r} or None, got "
        f"{group!r}."
    )


@contextmanager
def all_present() -> Iterator[None]:
    """Say what it means when an exchange with the other ranks fails.

    Yields:
        Nothing.

    Raises:
        RuntimeError: If the exchange within failed.
    """
    try:
        yield
    except RuntimeError as error:
        raise RuntimeError(
            "all ranks must take part until the end, got an exchange that failed: a "
            "rank of the process group is gone, too late, or has another model. "
            f"torch.distributed says: {error}"
        ) from error


def broadcast_first(tensor: Tensor, ranks: Ranks) -> None:
    """Give all ranks the contiguous tensor of rank 0, in place."""
    source = dist.get_global_rank(ranks.group, 0) if ranks.group else 0
    # As bytes, since not every type can be sent.
    flat = tensor.reshape(-1).view(torch.uint8) if tensor.numel() else tensor
    with all_present():
        dist.broadcast(flat, source, group=ranks.group)


@torch.no_grad()
def copy_from_first(model: nn.Module, ranks: Ranks) -> None:
    """Give all ranks the parameters and buffers of rank 0.

    Args:
        model: The model.
        ranks: The processes.
    """
    for tensor in (*model.parameters(), *model.buffers()):
        whole = tensor.detach().contiguous()
        broadcast_first(whole, ranks)
        tensor.copy_(whole)


def fingerprint(values: Iterable[Tensor | float]) -> int:
    """A whole number that depends on every bit of the values, but no sum's order.

    Args:
        values: Tensors, and numbers.

    Returns:
        The number, in the range of int64.
    """
    result = 0
    for value in values:
        if isinstance(value, Tensor):
            whole = value.detach().contiguous().reshape(-1)
            whole = torch.view_as_real(whole) if whole.is_complex() else whole
            bits = whole.view(_WHOLE[whole.element_size()]).long()
            mixed = (bits ^ bits >> 17) * 0x1E3779B97F4A7C15  # sums alone may cancel
            number = int((mixed ^ mixed >> 32).sum())
        else:
            number = hash(value)
        result = (result * 1_000_003 + number) % 2**63
    return result


def check_same(what: str, values: Tensor, ranks: Ranks) -> None:
    """Check that all ranks hold the same numbers.

    Args:
        what: What the numbers are, for the message.
        values: Numbers of this rank, a vector as long on every rank.
        ranks: The processes.

    Raises:
        RuntimeError: On every rank, if those of some rank differ.
    """
    every = [torch.empty_like(values) for _ in range(ranks.size)]
    with all_present():
        dist.all_gather(every, values, group=ranks.group)
    for rank, theirs in enumerate(every):
        if not torch.equal(theirs, every[0]):
            raise RuntimeError(
                f"{what} must be the same on all ranks, got {every[0].tolist()} on "
                f"rank 0 and {theirs.tolist()} on rank {rank}."
            )


@contextmanager
def wrapper_silenced(model: nn.Module) -> Iterator[None]:
    """Keep a DistributedDataParallel around the model from exchanging gradients.

    Frameworks put it there after the optimizer was given the model; a forward pass
    shows it. Buffers are not sent either, except by the first forward pass of such a
    wrapper: a rank without examples would miss them.

    Args:
        model: The model within, or the wrapper.

    Yields:
        Nothing.
    """
    before: list[tuple[dict[str, bool], dict[str, bool]]] = []

    def silence(*_: object) -> None:
        wrapper = DistributedDataParallel._get_active_ddp_module()
        if isinstance(model, DistributedDataParallel):
            wrapper = model
        if wrapper is not None and wrapper.require_backward_grad_sync:
            attributes = vars(wrapper)
            silent = {k: value for k, value in _SILENT.items() if k in attributes}
            before.append((attributes, {name: attributes[name] for name in silent}))
            attributes.update(silent)

    silence()  # the forward pass may have begun
    if isinstance(model, DistributedDataParallel):
        model.require_forward_param_sync = False
    handle = model.register_forward_pre_hook(silence)
    try:
        yield
    finally:
        handle.remove()
        for attributes, values in before:
            attributes.update(values)

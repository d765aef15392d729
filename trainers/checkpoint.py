"""Checkpoints: written atomically, read without running anybody's code."""

import io
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from trainers.lanes import Lanes
from trainers.runs import Run, RunError, write_atomically

SCHEMA = 1
LAST, BEST = "last.pt", "best.pt"

# What torch raises for files that are damaged or belong to something else.
UNREADABLE = (
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    EOFError,
    OSError,
    pickle.UnpicklingError,
)


def save_checkpoint(
    run: Run,
    name: str,
    model: nn.Module,
    optimizer: Optimizer,
    scheduler: LRScheduler,
    lanes: Lanes,
    progress: dict[str, Any],
) -> None:
    """Write everything that training needs to go on exactly as if never interrupted.

    Args:
        run: The run.
        name: `LAST` or `BEST`.
        model: The network.
        optimizer: The optimizer, with curvature and noise generators if it has them.
        scheduler: The learning-rate scheduler.
        lanes: Of the batches, with the last mixed one if they keep that.
        progress: The trainer's own position: numbers, strings, lists and dicts.
    """
    devices = [torch.get_rng_state()]
    if torch.cuda.is_available():
        devices += torch.cuda.get_rng_state_all()
    content = {
        "schema": SCHEMA,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "generators": devices,
        "progress": progress,
        "augmentation": lanes.state_dict(),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    run.checkpoint.mkdir(exist_ok=True)
    write_atomically(run.checkpoint / name, buffer.getvalue())


def load_checkpoint(
    path: Path,
    model: nn.Module,
    optimizer: Optimizer,
    scheduler: LRScheduler,
    lanes: Lanes,
) -> dict[str, Any]:
    """Restore what `save_checkpoint` wrote.

    Args:
        path: The checkpoint file.
        model: The network, changed.
        optimizer: The optimizer, changed.
        scheduler: The scheduler, changed.
        lanes: Those of the batches, changed.

    Returns:
        The trainer's own position.

    Raises:
        RunError: If the file is damaged or belongs to another model or optimizer.
    """
    with _reading(path, model, optimizer) as content:
        scheduler.load_state_dict(content["scheduler"])
        # Checkpoints of before there was any have none.
        lanes.load_state_dict(content.get("augmentation", {}))
        _restore_generators(content["generators"])
        progress: dict[str, Any] = content["progress"]
    return progress


def load_weights(path: Path, model: nn.Module, optimizer: Optimizer) -> None:
    """Restore what predicts; the generators of training are left alone.

    Args:
        path: The checkpoint file.
        model: The network, changed.
        optimizer: The optimizer, changed.

    Raises:
        RunError: If the file is damaged or belongs to another model or optimizer.
    """
    with _reading(path, model, optimizer):
        pass


@contextmanager
def _reading(
    path: Path, model: nn.Module, optimizer: Optimizer
) -> Iterator[dict[str, Any]]:
    """Restore model and optimizer, and give the rest; damage is told by RunError."""
    device = next(model.parameters()).device
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        if content["schema"] != SCHEMA:
            raise RunError(f"{path} has schema {content['schema']!r}, not {SCHEMA}.")
        model.load_state_dict(content["model"])
        optimizer.load_state_dict(content["optimizer"])
        yield content
    except RunError:
        raise
    except UNREADABLE as error:
        raise RunError(f"{path} cannot be restored: {error}") from error


def _restore_generators(states: list[Tensor]) -> None:
    first, *others = states
    torch.set_rng_state(first.cpu())
    for index, state in enumerate(others[: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(state.cpu(), index)

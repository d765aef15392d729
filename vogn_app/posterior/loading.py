"""Posteriors from files of which nobody said what kind of posterior they hold."""

import os
from collections.abc import Callable, Mapping

import torch

from .forms import MIXTURE, Form
from .mixture import BUILDERS, Component, MixturePosterior
from .storage import load_as

AnyPosterior = Component | MixturePosterior

ALL: Mapping[Form, Callable[..., AnyPosterior]] = {
    **BUILDERS,
    MIXTURE: MixturePosterior.from_fields,
}


def load_posterior(
    path: str | os.PathLike[str], device: torch.device | str = "cpu"
) -> AnyPosterior:
    """Read any saved posterior; no code in the file is run.

    Args:
        path: Ends in .safetensors or .pt.
        device: Where the tensors go.

    Returns:
        The posterior, bit for bit what was saved.

    Raises:
        PosteriorError: If the file holds no posterior, or a damaged or newer one.
        FileNotFoundError: If there is no file.
        ValueError: If the path ends in anything else.
        ImportError: If safetensors is needed and not installed.
    """
    return load_as(ALL, path).to(device)

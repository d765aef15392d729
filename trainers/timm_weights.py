"""Weights that were trained elsewhere, for networks of the timm library.

What they need to serve here:

- The head is new, also where the number of classes happens to be the same: classes of
  another data set mean nothing here.
- Our inputs have mean 0 and deviation 1 in each channel. Pretrained networks saw images
  x that were shifted and scaled by constants of their own, (x - mean) / std. Where
  these are ImageNet's, that is the same: their inputs had about mean 0 and deviation 1
  too. Other constants (0.5 for many vision transformers) left them with a deviation of
  ImageNet's std / std, about 0.46, so the weights of the first convolution are scaled
  by that number: it sees in our inputs what it saw in its own. The shift that remains
  is under 0.2 deviations, and is left to training. Nothing of this changes the network,
  so a checkpoint knows nothing of it.
- Grey images get the sum of the first convolution's weights over red, green and blue,
  as if the image were given three times.

Weights are read from safetensors files alone; other formats can run code.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
)
from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.data.constants import IMAGENET_DEFAULT_STD
from torch import Tensor, nn

from data import DatasetError
from trainers.config import SAFETENSORS, ModelConfig
from trainers.timm_catalogue import TIMM_PREFIX
from trainers.timm_models import core, create

logger = logging.getLogger(__name__)
HUB_FILE = "model.safetensors"
WAY_OUT = "Name a file of this machine with --weights FILE in its place."
LONGEST = 300  # characters of what torch says of weights that do not fit


def begin_trained(
    config: ModelConfig, model: nn.Module, input_shape: tuple[int, ...]
) -> dict[str, Tensor]:
    """The state in which a network begins that was trained elsewhere.

    Args:
        config: Says which weights; they are downloaded if no file is named.
        model: The fresh network, on the CPU; left as it is. Its head is kept.
        input_shape: (channels, height, width).

    Returns:
        A state for `model.load_state_dict`.

    Raises:
        DatasetError: If the weights cannot be had, or are of another network.
        ValueError: If timm has no such weights.
    """
    name = config.name.removeprefix(TIMM_PREFIX)
    file = Path(config.weights) if config.weights else _downloaded(name)
    found = core(model, input_shape)
    network: Any = found.network  # of timm, with what timm notes of each
    num_classes = network.num_classes
    weights = _fitting(_read(file), network.state_dict(), network.pretrained_cfg)
    try:
        # timm's own way: it renames, adapts channels and resizes position embeddings.
        with torch.random.fork_rng(devices=[]):
            loaded = create(
                name, input_shape[0], num_classes, found.size, pretrained=True,
                pretrained_cfg_overlay={
                    "state_dict": weights,
                    "num_classes": num_classes,  # as if the head were its own
                    "label_offset": 0,
                },
            )  # fmt: skip
    except (RuntimeError, ValueError, KeyError, AttributeError) as error:
        reason = " ".join(str(error).split())
        reason = reason if len(reason) <= LONGEST else reason[:LONGEST] + "..."
        raise DatasetError(
            f"{file} does not hold weights of {config.name}: {reason}"
        ) from None
    logger.info("The network begins with the weights of %s.", file)
    return {found.prefix + key: value for key, value in loaded.state_dict().items()}


def _read(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except FileNotFoundError:
        raise DatasetError(f"weights {file} do not exist.") from None
    except (OSError, SafetensorError, ValueError) as error:
        raise DatasetError(
            f"weights {file} cannot be read as {SAFETENSORS}: {error}"
        ) from None


def _fitting(
    state: Mapping[str, Tensor], own: Mapping[str, Tensor], facts: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Weights with the network's own fresh head, scaled for our inputs."""
    heads = tuple(f"{name}." for name in _names(facts.get("classifier")))
    fitting = {key: value for key, value in state.items() if not key.startswith(heads)}
    fitting |= {key: value for key, value in own.items() if key.startswith(heads)}
    scale = torch.tensor(IMAGENET_DEFAULT_STD) / torch.tensor(facts["std"])
    for name in _names(facts.get("first_conv")):
        weight = fitting.get(f"{name}.weight")
        if weight is not None and weight.ndim == 4 and weight.shape[1] == len(scale):
            scaled = weight * scale.to(weight.dtype)[:, None, None]
            fitting[f"{name}.weight"] = scaled
    return fitting


def _names(names: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names or ())


def _downloaded(name: str) -> Path:
    """The file of timm's weights, from the hub or from its cache on this machine.

    Raises:
        DatasetError: If it cannot be had.
        ValueError: If there is no such file.
    """
    facts = timm.get_pretrained_cfg(name)
    if facts is None or not facts.hf_hub_id:
        raise ValueError(_no_weights(name))
    hub, file = facts.hf_hub_id, facts.hf_hub_filename or HUB_FILE
    custom: Any = facts.custom_load  # other values of it are about other sources
    if custom == "hf" or not file.endswith(SAFETENSORS):
        raise ValueError(_no_weights(name))
    try:
        return Path(hf_hub_download(hub, file))
    except LocalEntryNotFoundError as error:  # no network, and not in the cache
        raise DatasetError(_unreachable(name, hub, file, error)) from None
    except EntryNotFoundError:
        raise ValueError(_no_weights(name)) from None
    except (HfHubHTTPError, OSError) as error:
        raise DatasetError(_unreachable(name, hub, file, error)) from None


def _no_weights(name: str) -> str:
    return (
        f"pretrained must be false for model {TIMM_PREFIX + name!r}, of which timm has "
        f"no {SAFETENSORS} weights, got True. {WAY_OUT}"
    )


def _unreachable(name: str, hub: str, file: str, error: Exception) -> str:
    reason = str(error).split("\n", maxsplit=1)[0]
    return (
        f"The pretrained weights of {TIMM_PREFIX + name} ({file} of {hub}) cannot be "
        f"downloaded from huggingface.co and are not in its cache here. {WAY_OUT} "
        f"({reason})"
    )

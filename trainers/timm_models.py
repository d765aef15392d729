"""Fresh networks of the timm library, whose input is made to fit.

Channels are adapted by timm, and small images are scaled up.
"""

import math
from difflib import get_close_matches
from typing import Any, NamedTuple

import timm
import torch
from torch import nn

from trainers.timm_catalogue import TIMM_PREFIX

SMALLEST = 32  # pixels: the stride of the deepest feature map of most models


class Resized(nn.Sequential):
    """A network behind one that scales its images."""


def timm_network(
    name: str, input_shape: tuple[int, ...], num_classes: int
) -> nn.Module:
    """A fresh timm classifier whose input is made to fit.

    Channels are adapted by timm. Networks that work at any size get the images scaled
    up to 32 pixels if they are smaller; those tied to a size are built for the smallest
    that works, at most their own default.

    Raises:
        ValueError: If timm does not know the name, or no size works.
    """
    if not timm.is_model(name):
        close = get_close_matches(name, timm.list_models(), n=5)
        hint = f"; similar: {', '.join(close)}" if close else ""
        raise ValueError(
            f"model must be a name that timm knows{hint}, got {TIMM_PREFIX + name!r}."
        )
    channels, *image = input_shape
    smallest = max(SMALLEST, 32 * math.ceil(max(image) / 32))
    default = timm.get_pretrained_cfg(name)
    own = default.input_size[-1] if default is not None else 224
    reasons = []
    for size in dict.fromkeys((smallest, 2 * smallest, own)):
        try:
            return _network_at(name, channels, num_classes, size, tuple(image))
        except (RuntimeError, ValueError, AssertionError, TypeError) as error:
            reasons.append(f"{size} px: {error}")
    raise ValueError(
        f"model must take images of {input_shape}, got {TIMM_PREFIX + name!r}, which "
        f"does not ({'; '.join(reasons)})."
    )


def _network_at(
    name: str, channels: int, num_classes: int, size: int, image: tuple[int, ...]
) -> nn.Module:
    """Build a network for one size; ValueError if it is no classifier at it."""
    network = create(name, channels, num_classes, size)
    network.eval()
    with torch.no_grad():
        shape = tuple(network(torch.zeros(2, channels, size, size)).shape)
    network.train()
    if shape != (2, num_classes):
        raise ValueError(f"it gives outputs of shape {shape}")
    if image == (size, size):
        return network
    return Resized(nn.Upsample((size, size), mode="bilinear"), network)


def create(
    name: str, channels: int, num_classes: int, size: int, **more: Any
) -> nn.Module:
    """A network as timm makes it.

    Args:
        name: As timm knows it.
        channels: Of the images.
        num_classes: Number of logits.
        size: Side of the images, for networks that are tied to one.
        **more: Further options of `timm.create_model`.
    """
    options: dict[str, Any] = {
        "pretrained": False,
        "num_classes": num_classes,
        "in_chans": channels,
        **more,
    }
    generator_state = torch.get_rng_state()
    try:
        return timm.create_model(name, **options, img_size=size)
    except TypeError:  # convolutional networks have no such argument
        torch.set_rng_state(generator_state)
        return timm.create_model(name, **options)


class Core(NamedTuple):
    """The network of timm in what `timm_network` returns.

    Args:
        network: The network.
        prefix: Of its entries in the state of the whole.
        size: Side of the images that it gets.
    """

    network: nn.Module
    prefix: str
    size: int


def core(model: nn.Module, input_shape: tuple[int, ...]) -> Core:
    """Find timm's own network in a model.

    Args:
        model: What `timm_network` returned.
        input_shape: With which it was called.
    """
    if not isinstance(model, Resized):
        return Core(model, "", input_shape[-1])
    scaling: Any = model[0]
    return Core(model[1], "1.", scaling.size[0])

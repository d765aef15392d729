"""Networks by name. Every model takes `[N, *input_shape]` and gives logits `[N, C]`."""

import math
from difflib import get_close_matches
from itertools import pairwise
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own idiom

from trainers.catalogue import TIMM_PREFIX, model_spec

LENET_SIZE = 28  # pixels: what its two 5x5 convolutions and poolings were made for
TIMM_SMALLEST = 32  # pixels: the stride of the deepest feature map of most models


def build_model(name: str, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """Build a freshly initialised network from torch's global generator.

    Args:
        name: Name in `trainers.catalogue.MODELS`, or `timm:NAME`.
        input_shape: (2,) for points or (channels, height, width) for images.
        num_classes: Number of logits.

    Returns:
        The network.

    Raises:
        ValueError: If the name is unknown or the network cannot take such inputs.
    """
    model_spec(name)
    if name.startswith(TIMM_PREFIX):
        return _timm(name.removeprefix(TIMM_PREFIX), input_shape, num_classes)
    if name == "mlp":
        return mlp(input_shape, num_classes)
    if len(input_shape) != 3:
        raise ValueError(f"model must take points for this data, got {name!r}.")
    build = {"lenet5": lenet5, "resnet20": resnet20}[name]
    return build(input_shape, num_classes)


def mlp(input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """Two hidden layers: 512 units for images, 64 for points."""
    inputs, hidden = math.prod(input_shape), 64 if len(input_shape) == 1 else 512
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(inputs, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, num_classes),
    )


def lenet5(input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """LeNet-5 (6-16-120-84) with ReLU and max-pooling; 61,706 weights at 1x28x28."""
    channels, height, width = input_shape
    resize: list[nn.Module] = []
    if min(height, width) < LENET_SIZE:
        height, width = max(height, LENET_SIZE), max(width, LENET_SIZE)
        resize = [nn.Upsample((height, width), mode="bilinear")]
    flat = 16 * ((height // 2 - 4) // 2) * ((width // 2 - 4) // 2)
    return nn.Sequential(
        *resize,
        nn.Conv2d(channels, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(flat, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, num_classes),
    )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with BatchNorm around a shortcut without parameters.

    Args:
        inputs: Channels in.
        outputs: Channels out; extra ones are zero in the shortcut (option A of the
            paper).
        stride: Of the first convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.stride = stride
        self.extra = outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, inputs, H, W] to [N, outputs, H / stride, W / stride]."""
        y = F.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        shortcut = x[:, :, :: self.stride, :: self.stride]
        return F.relu(y + F.pad(shortcut, (0, 0, 0, 0, 0, self.extra)))


def resnet20(input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """The ResNet-20 of He et al. (2016), section 4.2."""
    widths = [16, 16, 16, 16, 32, 32, 32, 64, 64, 64]
    blocks = [
        ResidualBlock(inputs, outputs, 1 if inputs == outputs else 2)
        for inputs, outputs in pairwise(widths)
    ]
    network = nn.Sequential(
        nn.Conv2d(input_shape[0], 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        *blocks,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, num_classes),
    )
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return network


def _timm(name: str, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """A timm classifier whose input is made to fit.

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
    smallest = max(TIMM_SMALLEST, 32 * math.ceil(max(image) / 32))
    default = timm.get_pretrained_cfg(name)
    own = default.input_size[-1] if default is not None else 224
    reasons = []
    for size in dict.fromkeys((smallest, 2 * smallest, own)):
        try:
            return _timm_at(name, channels, num_classes, size, tuple(image))
        except (RuntimeError, ValueError, AssertionError, TypeError) as error:
            reasons.append(f"{size} px: {error}")
    raise ValueError(
        f"model must take images of {input_shape}, got {TIMM_PREFIX + name!r}, which "
        f"does not ({'; '.join(reasons)})."
    )


def _timm_at(
    name: str, channels: int, num_classes: int, size: int, image: tuple[int, ...]
) -> nn.Module:
    """Build a network for one size; ValueError if it is no classifier at it."""
    options: dict[str, Any] = {
        "pretrained": False,
        "num_classes": num_classes,
        "in_chans": channels,
    }
    generator_state = torch.get_rng_state()
    try:
        network = timm.create_model(name, **options, img_size=size)
    except TypeError:  # convolutional networks have no such argument
        torch.set_rng_state(generator_state)
        network = timm.create_model(name, **options)
    network.eval()
    with torch.no_grad():
        shape = tuple(network(torch.zeros(2, channels, size, size)).shape)
    network.train()
    if shape != (2, num_classes):
        raise ValueError(f"it gives outputs of shape {shape}")
    if image == (size, size):
        return network
    return nn.Sequential(nn.Upsample((size, size), mode="bilinear"), network)

"""Our own networks, from torch alone; downloads carry pieces of this file."""

import math
from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own idiom

LENET_SIZE = 28  # pixels: what its two 5x5 convolutions and poolings were made for


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


NETWORKS: dict[str, Callable[[tuple[int, ...], int], nn.Module]] = {
    "mlp": mlp,
    "lenet5": lenet5,
    "resnet20": resnet20,
}

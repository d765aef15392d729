"""Random erasing: a rectangle of an image becomes zero.

Zhong et al. (2020), arXiv:1708.04896, in the form of SP-NGD (Osawa et al. 2020): the
fill is zero, which of normalised inputs is the mean of the channel, and an image is
erased after it was mixed. The area is uniform in [0.02, 0.25] of the image's, height by
width uniform in [0.3, 1], and the two are swapped for every other image.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

STREAM = 2  # of the random numbers of a step
AREA = (0.02, 0.25)
ASPECT = (0.3, 1.0)


def draw_rectangles(
    num_images: int,
    size: tuple[int, int],
    probability: float,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Draw what is erased of each image.

    Args:
        num_images: Images N.
        size: Their height and width in pixels.
        probability: Of erasing something of an image, in [0, 1].
        generator: Where the random numbers come from.

    Returns:
        Top, bottom, left and right [N, 4], the ends excluded; all 0 where nothing is
        erased.
    """
    draws = generator.random((6, num_images))
    area = (AREA[0] + (AREA[1] - AREA[0]) * draws[0]) * size[0] * size[1]
    aspect = ASPECT[0] + (ASPECT[1] - ASPECT[0]) * draws[1]
    sides = np.sqrt(np.stack([area * aspect, area / aspect]))
    sides = np.where(draws[2] < 0.5, sides, sides[::-1])
    limits = np.array(size)[:, None]
    sides = np.clip(np.rint(sides).astype(np.int64), 1, limits)
    starts = (draws[3:5] * (limits - sides + 1)).astype(np.int64)
    edges = np.stack([starts, starts + sides], axis=1).reshape(4, num_images)
    return np.where(draws[5] < probability, edges, 0).T


def erase(inputs: Tensor, rectangles: Tensor) -> Tensor:
    """Inputs with a rectangle of zeros each.

    Args:
        inputs: Normalised images [N, C, H, W].
        rectangles: As `draw_rectangles` gives them [N, 4], on the same device.

    Returns:
        Images [N, C, H, W]; `inputs` are left alone.
    """
    top, bottom, left, right = rectangles[:, :, None].unbind(1)
    rows = torch.arange(inputs.shape[-2], device=inputs.device)
    columns = torch.arange(inputs.shape[-1], device=inputs.device)
    inside = ((rows >= top) & (rows < bottom))[:, None, :, None]
    return inputs.masked_fill(
        inside & ((columns >= left) & (columns < right))[:, None, None, :], 0.0
    )

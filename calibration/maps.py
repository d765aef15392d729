"""Maps of uncertainty over a plane, for data sets with two features."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._predictions import Predicted

# Charts cannot show more, and full floats would make the file three times as large.
SIGNIFICANT_DIGITS = 5


def uncertainty_map(
    probabilities: ArrayLike, shape: tuple[int, int]
) -> dict[str, list[list[float]] | list[list[list[float]]]]:
    """Lay the predictions at the points of a grid out as maps, ready for JSON.

    Args:
        probabilities: Class probabilities at the points, row by row (point
            ``row * W + column``), ``[S, H * W, C]`` or ``[H * W, C]``.
        shape: Rows and columns of the grid, (H, W).

    Returns:
        Nested lists of floats with `SIGNIFICANT_DIGITS` digits: "probability"
        ``[C][H][W]`` of the posterior predictive, "entropy" and "mutual_information"
        ``[H][W]`` in nats.

    Raises:
        ValueError: If the grid does not have as many points as there are predictions.
    """
    found = Predicted(probabilities)
    height, width = shape
    if min(shape) < 1 or height * width != len(found.rows):
        raise ValueError(
            f"shape must be rows and columns of {len(found.rows)} points, got {shape}."
        )
    return {
        "probability": [_grid(column, height, width) for column in found.rows.T],
        "entropy": _grid(found.total, height, width),
        "mutual_information": _grid(found.mutual_information, height, width),
    }


def _grid(values: NDArray[np.float64], height: int, width: int) -> list[list[float]]:
    return [
        [float(f"{value:.{SIGNIFICANT_DIGITS}g}") for value in row]
        for row in values.reshape(height, width).tolist()
    ]

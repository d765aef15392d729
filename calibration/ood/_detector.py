"""What the detectors on features share: checks, and work in blocks of rows."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from calibration._checks import as_array

Array = NDArray[np.float64]

LARGEST = 1e100  # the square of which, and a sum of many, still is a number

# Rows computed at a time: a float64 copy of all features could outgrow the memory.
BLOCK = 16384


class Detector(BaseEstimator):  # type: ignore[misc]
    """Tells OOD examples by the features of a network; learned values end in ``_``.

    Attributes:
        n_features_in_: D of the fitting data.
    """

    n_features_in_: int
    _largest = LARGEST

    def _scores(
        self, features: ArrayLike, score: Callable[[Array], Array]
    ) -> NDArray[np.float64]:
        """Check that it is fitted and that features suit, then score them in blocks."""
        check_is_fitted(self)
        array = check_features(features, largest=self._largest)
        if array.shape[1] != self.n_features_in_:
            raise ValueError(
                f"features must be [N, {self.n_features_in_}] as in fit, "
                f"got shape {array.shape}."
            )
        blocks = range(0, len(array), BLOCK)
        return np.concatenate([
            score(array[start : start + BLOCK].astype(np.float64)) for start in blocks
        ])


def check_features(
    features: ArrayLike, name: str = "features", largest: float = LARGEST
) -> NDArray[np.floating]:
    """Return features as an array, in their own float type, if they are valid.

    Args:
        features: One row an example, ``[N, D]``.
        name: What to call the argument in an error.
        largest: Largest size of an entry.

    Returns:
        The same numbers as an array.

    Raises:
        ValueError: If they are not a non-empty table of floats of such a size.
    """
    array = as_array(features, name)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(
            f"{name} must be non-empty, [N, D], got shape {array.shape}. Flatten or "
            "average features of images over their positions first."
        )
    if array.dtype.kind != "f":
        raise ValueError(f"{name} must be floating point, got dtype {array.dtype}.")
    # Both are NaN where any entry is.
    size = max(-float(array.min()), float(array.max()))
    if not np.isfinite(size) or np.isnan(array.max()):
        row, column = (int(axis[0]) for axis in np.nonzero(~np.isfinite(array)))
        raise ValueError(
            f"{name} must be finite, got {array[row, column]} at "
            f"{name}[{row}, {column}]. Did training diverge?"
        )
    if size > largest:
        raise ValueError(
            f"{name} must be at most {largest:g} in size, got {size:g}. "
            "Did training diverge?"
        )
    return array

"""What all predictive distributions promise, and what they ask of their arguments."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._checks import as_array, check_between

# Numbers end here, and deviations at its inverse, so that neither the square of a
# standardised error overflows nor the variance of such squares. No unit needs more.
LARGEST = 1e35

_BLOCK = 2**17  # numbers worked on at a time: a megabyte stays in the cache

Floats = NDArray[np.float64]


class PredictiveDistribution(ABC):
    """What a model says about the targets of N examples."""

    num_examples: int
    """N, at least 1."""

    @property
    def mean(self) -> Floats:
        """Means, in the unit of the targets, ``[N]``."""
        return self._mean()

    @property
    def deviation(self) -> Floats:
        """Standard deviations, at least 0, ``[N]``."""
        return self._deviation()

    def log_density(self, targets: ArrayLike) -> Floats:
        """Logarithm of the density at each target, in nats, ``[N]``."""
        return self._log_density(self.check_targets(targets))

    def cdf(self, targets: ArrayLike) -> Floats:
        """Probability of a value up to each target, in 0..1, ``[N]``."""
        return self._cdf(self.check_targets(targets))

    def crps(self, targets: ArrayLike) -> Floats:
        """Continuous ranked probability score at each target, at least 0, ``[N]``."""
        return self._crps(self.check_targets(targets))

    def quantile(self, level: float) -> Floats:
        """Values that targets stay below with a probability in (0, 1), ``[N]``."""
        return self._quantile(check_level(level))

    def check_targets(self, targets: ArrayLike) -> Floats:
        """Return targets in float64, if there is one for each example.

        Args:
            targets: True values, ``[N]``.

        Returns:
            The targets, ``[N]``.

        Raises:
            ValueError: If they have another shape, or one is not finite.
        """
        array = check_numbers(targets, 1, "targets")
        if len(array) != self.num_examples:
            raise ValueError(
                f"targets must have one entry for each of {self.num_examples} "
                f"examples, got {len(array)}. Are the predictions [S, N], samples "
                "first?"
            )
        return array.astype(np.float64)

    @abstractmethod
    def _mean(self) -> Floats: ...

    @abstractmethod
    def _deviation(self) -> Floats: ...

    @abstractmethod
    def _log_density(self, targets: Floats) -> Floats: ...

    @abstractmethod
    def _cdf(self, targets: Floats) -> Floats: ...

    @abstractmethod
    def _crps(self, targets: Floats) -> Floats: ...

    @abstractmethod
    def _quantile(self, level: float) -> Floats: ...


def parts(num_examples: int, num_samples: int) -> Iterator[slice]:
    """Cut examples into runs small enough for the cache.

    Args:
        num_examples: N, at least 1.
        num_samples: Numbers that each example has, at least 1.

    Yields:
        Slices that make 0..N-1 in order.
    """
    size = max(1, _BLOCK // num_samples)
    for start in range(0, num_examples, size):
        yield slice(start, start + size)


def check_level(level: float) -> float:
    """Return a probability if it is between 0 and 1.

    Args:
        level: The probability.

    Returns:
        The same as a plain float.

    Raises:
        ValueError: If it is 0, 1 or outside.
    """
    return check_between(level, "level")


def check_numbers(values: ArrayLike, num_axes: int, name: str) -> NDArray[Any]:
    """Return real numbers as an array, in their own type, if all are finite.

    Args:
        values: The numbers, ``[N]`` or ``[S, N]``.
        num_axes: 1 or 2.
        name: What to call the argument in an error.

    Returns:
        The same numbers as an array; no copy is made of what is one already.

    Raises:
        ValueError: If the array has another number of axes, is empty, is not of
            numbers, or holds one that is not finite or larger than `LARGEST`.
    """
    array = as_array(values, name)
    if array.ndim != num_axes:
        wanted = "[N]" if num_axes == 1 else "[S, N] (posterior samples first)"
        raise ValueError(
            f"{name} must be {wanted}, got shape {array.shape}. Drop an axis of "
            "length 1; ravel several outputs, and give their example as groups."
        )
    if array.size == 0:
        raise ValueError(f"{name} must be non-empty, got shape {array.shape}.")
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} must be real numbers, got dtype {array.dtype}.")
    if array.dtype == np.float16:  # where `LARGEST` is infinite
        array = array.astype(np.float32)
    # A NaN fails both comparisons.
    if not (array.min() >= -LARGEST and array.max() <= LARGEST):
        raise ValueError(
            f"{name} must be finite and at most {LARGEST:g} in size, "
            f"got {_first(array, ~(np.abs(array) <= LARGEST), name)}. "
            "Did training diverge, or is a target missing?"
        )
    return array


def check_deviations(
    values: ArrayLike, shape: tuple[int, ...], name: str
) -> NDArray[Any]:
    """Return standard deviations as an array, if all are above 0.

    Args:
        values: The deviations.
        shape: That of the means.
        name: What to call the argument in an error.

    Returns:
        The same numbers as an array.

    Raises:
        ValueError: If the shape is another, or a number is not finite or not above 0.
    """
    array = check_numbers(values, len(shape), name)
    if array.shape != shape:
        raise ValueError(
            f"{name} must have the shape {shape} of the means, got {array.shape}."
        )
    wrong = array < 1 / LARGEST
    if wrong.any():
        cause = "Did the predicted noise collapse? Add the least that you believe in."
        if array.min() < 0:
            cause = "Was the logarithm of a deviation or of a variance passed?"
            wrong = array < 0
        raise ValueError(
            f"{name} must be above 0 (at least {1 / LARGEST:g}), "
            f"got {_first(array, wrong, name)}. {cause}"
        )
    return array


def _first(array: NDArray[Any], wrong: NDArray[np.bool_], name: str) -> str:
    index = np.unravel_index(np.argmax(wrong), wrong.shape)
    return f"{array[index]:.6g} at {name}[{', '.join(map(str, index))}]"

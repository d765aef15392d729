"""What every function of the package asks of its arguments, in one place.

The unit of input is an array of class probabilities, ``[N, C]`` for one model or
``[S, N, C]`` for S posterior samples. Logits are never guessed: a wrong array is
refused with the row, the value and the likely mistake, because a report computed
from the wrong axis or the wrong scale looks just as tidy as a right one.
"""

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# How far a row may be from summing to one, and an entry above one. A float32 softmax
# over 1,000 classes errs by about 1e-5 and a float16 one by about 5e-4.
SUM_TOLERANCE = 1e-3
# How far an entry may be below zero, as 1 less a sum of others can be by rounding.
ZERO_TOLERANCE = 1e-6

_LOGITS = "Were logits passed by mistake? Apply softmax over the last axis first."
_PERCENT = "Were percentages passed by mistake? Divide by 100 first."
_LOGS = "Were log-probabilities passed by mistake? Apply exp first."
_NON_FINITE = "Did training diverge, or were log-probabilities passed?"
_SUMS = (
    "Every row needs all C classes along the last axis, normalised by softmax: "
    "not sigmoids, not the positive class alone."
)


def as_array(values: ArrayLike, name: str) -> NDArray[Any]:
    """Return values as an array, if none is masked: a mask would be lost.

    Args:
        values: Anything that NumPy takes for an array.
        name: What to call the argument in an error.

    Returns:
        The same values; no copy is made of what is an array already.

    Raises:
        ValueError: If an entry is masked.
    """
    if np.ma.is_masked(values):
        raise ValueError(f"{name} must not be masked; drop the masked rows first.")
    return np.asarray(values)


def check_probabilities(
    probabilities: ArrayLike, name: str = "probabilities"
) -> NDArray[np.floating[Any]]:
    """Return probabilities as an array, in their own float type, if they are valid.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        name: What to call the argument in an error.

    Returns:
        The same numbers as an array; no copy is made of what is one already.

    Raises:
        ValueError: If the array has another number of axes, is empty, is not of a
            float type, or holds a row that is not a distribution over classes.
    """
    array = as_array(probabilities, name)
    if array.ndim not in {2, 3}:
        raise ValueError(
            f"{name} must be [N, C] or [S, N, C] (posterior samples first), "
            f"got shape {array.shape}."
        )
    return check_distributions(array, name)


def check_distributions(
    probabilities: ArrayLike, name: str = "probabilities"
) -> NDArray[np.floating[Any]]:
    """Return an array whose last axis runs over classes, if every row is valid.

    Args:
        probabilities: Class probabilities, ``[..., C]``.
        name: What to call the argument in an error.

    Returns:
        The same numbers as an array.

    Raises:
        ValueError: If the array is empty, is not of a float type, or holds an entry
            that is not finite, is below zero or above one by more than rounding, or a
            row whose sum differs from one by more than `SUM_TOLERANCE`.
    """
    array = as_array(probabilities, name)
    if array.ndim == 0 or array.size == 0:
        raise ValueError(f"{name} must be non-empty, got shape {array.shape}.")
    if array.dtype.kind != "f":
        raise ValueError(f"{name} must be floating point, got dtype {array.dtype}.")
    # Two reductions decide for all entries (a NaN fails both comparisons); only a
    # bad array pays for finding out where and why.
    if not (array.min() >= -ZERO_TOLERANCE and array.max() <= 1 + SUM_TOLERANCE):
        _reject_entry(array, name)
    sums = _row_sums(array)
    wrong = np.abs(sums - 1) > SUM_TOLERANCE
    if wrong.any():
        row = _first(wrong)
        raise ValueError(
            f"{name} must sum to 1 over classes, "
            f"got {sums[row]:.6g} in row {_place(name, row)}. {_SUMS}"
        )
    return array


def _row_sums(array: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    if array.dtype.itemsize < 4:  # a sum of halves errs by more than the tolerance
        exact: NDArray[np.float64] = array.sum(axis=-1, dtype=np.float64)
        return exact
    # A product of matrices is several times as fast as a sum over a short last axis.
    sums: NDArray[np.floating[Any]] = array @ np.ones(array.shape[-1], array.dtype)
    return sums


def check_labels(
    labels: ArrayLike, num_examples: int, num_classes: int
) -> NDArray[np.intp]:
    """Return labels as class indices, if they are valid.

    Args:
        labels: True classes, integers in 0..C-1, ``[N]``.
        num_examples: N.
        num_classes: C.

    Returns:
        Class indices, ``[N]``.

    Raises:
        ValueError: If the labels are not a vector of N integers in 0..C-1.
    """
    array = as_array(labels, "labels")
    if array.ndim != 1:
        raise ValueError(
            f"labels must be class indices of shape [N], got shape {array.shape}. "
            "Take argmax over classes if they are one-hot."
        )
    if len(array) != num_examples:
        raise ValueError(
            f"labels must have one entry for each of {num_examples} examples, "
            f"got {len(array)}. Are the probabilities [S, N, C], samples first?"
        )
    if array.dtype.kind not in "iu":
        raise ValueError(f"labels must be integers, got dtype {array.dtype}.")
    wrong = (array < 0) | (array >= num_classes)
    if wrong.any():
        row = _first(wrong)
        raise ValueError(
            f"labels must be in 0..{num_classes - 1}, got {array[row]} at "
            f"{_place('labels', row)}. Classes are counted from 0, and there is no "
            "'ignore' label."
        )
    return array.astype(np.intp)


def check_at_least_one(value: int, name: str) -> int:
    """Return a count (of bins, of examples) if it is a whole number above zero.

    Args:
        value: The count.
        name: What to call the argument in an error.

    Returns:
        The count as a plain int.

    Raises:
        ValueError: If the value is not an integer of at least 1.
    """
    if not is_whole(value) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")
    return int(value)


def check_seed(seed: int) -> int:
    """Return the seed of random numbers if it is a whole number of at least zero.

    Args:
        seed: The seed.

    Returns:
        The seed as a plain int.

    Raises:
        ValueError: If it is not an integer of at least 0.
    """
    if not is_whole(seed) or seed < 0:
        raise ValueError(f"seed must be an integer of at least 0, got {seed!r}.")
    return int(seed)


def check_between(value: float, name: str) -> float:
    """Return a number if it is between 0 and 1, neither included.

    Args:
        value: The number.
        name: What to call the argument in an error.

    Returns:
        The number as a plain float.

    Raises:
        ValueError: If it is no number, or is not between 0 and 1.
    """
    if not is_number(value) or not 0 < value < 1:
        raise ValueError(f"{name} must be between 0 and 1, got {value!r}.")
    return float(value)


def is_number(value: object) -> bool:
    """Whether a value is a real number, and no text or array."""
    return isinstance(value, Real)


def is_whole(value: object) -> bool:
    """Whether a value is an integer, and not a truth value."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_groups(groups: ArrayLike, num_examples: int) -> NDArray[np.intp]:
    """Return clusters of examples, numbered from 0, if there is one for each.

    Args:
        groups: Cluster of each example (its image, patient, user): whole numbers or
            text, also as objects of Python's, ``[N]``.
        num_examples: N.

    Returns:
        Numbers 0..G-1 of the clusters, ``[N]``.

    Raises:
        ValueError: If they are not a vector of N whole numbers or texts.
    """
    array = as_array(groups, "groups")
    if array.shape != (num_examples,):
        raise ValueError(
            f"groups must be a vector with one entry for each of {num_examples} "
            f"examples, got shape {array.shape}."
        )
    if array.dtype.kind == "O":
        array = _of_objects(array)
    if array.dtype.kind not in "iuU":
        raise ValueError(
            f"groups must be whole numbers or text, got dtype {array.dtype}. "
            "Pass groups.astype(str) if equal texts are equal clusters."
        )
    numbers: NDArray[np.intp] = np.unique(array, return_inverse=True)[1]
    return numbers


def _of_objects(groups: NDArray[Any]) -> NDArray[Any]:
    """Texts or whole numbers held as objects (as pandas does), if all are of a kind."""
    if all(isinstance(each, str) for each in groups):
        return groups.astype(str)
    return groups.astype(np.int64) if all(map(is_whole, groups)) else groups


def predictive(
    probabilities: ArrayLike, name: str = "probabilities"
) -> NDArray[np.float64]:
    """Return the posterior predictive: the mean of the samples' probabilities.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        name: What to call the argument in an error.

    Returns:
        Probabilities in float64, ``[N, C]``: a new array, each entry in 0..1; what
        rounding left outside (see `ZERO_TOLERANCE`) is moved to the end.
    """
    array = check_probabilities(probabilities, name)
    if array.ndim == 3:
        array = array.mean(axis=0, dtype=np.float64)
    # Averages taken in float32 upstream can reach 1 + 1e-7, where an entropy would be
    # negative and a confidence outside the last bin.
    capped: NDArray[np.float64] = np.minimum(array, 1.0, dtype=np.float64)
    return np.maximum(capped, 0.0, out=capped)


def predictive_and_labels(
    probabilities: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Check what every metric takes, and return it in the form they compute with.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, ``[N]``.

    Returns:
        The posterior predictive, ``[N, C]``, and the class indices, ``[N]``.
    """
    mean = predictive(probabilities)
    return mean, check_labels(labels, *mean.shape)


def _reject_entry(array: NDArray[np.floating[Any]], name: str) -> None:
    wrong, condition, cause = ~np.isfinite(array), "finite", _NON_FINITE
    if not wrong.any():
        wrong = (array < -ZERO_TOLERANCE) | (array > 1 + SUM_TOLERANCE)
        condition, cause = "in 0..1", _cause(array)
    index = _first(wrong)
    raise ValueError(
        f"{name} must be {condition}, "
        f"got {array[index]:.6g} at {_place(name, index)}. {cause}"
    )


def _cause(array: NDArray[np.floating[Any]]) -> str:
    if array.max() <= 0:
        return _LOGS
    is_percent = array.min() >= 0 and abs(float(array.sum(axis=-1).max()) - 100) < 1
    return _PERCENT if is_percent else _LOGITS


def _first(wrong: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(np.argmax(wrong), wrong.shape))


def _place(name: str, index: tuple[int, ...]) -> str:
    return f"{name}[{', '.join(map(str, index))}]"

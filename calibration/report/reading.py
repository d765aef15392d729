"""Predictions from arrays and files (NumPy's `np.savez`).

Two arrays are enough; each further one adds a section:

============================== ================================================
``probabilities, labels``      ``[N, C]`` or ``[S, N, C]``, and ``[N]``: required
``class_names``                ``[C]``, text
``indices``                    row of each example in its dataset, ``[N]``
``images``                     uint8 ``[N, H, W]`` or ``[N, H, W, 3]``
``mean_probabilities``         at the posterior mean, ``[N, C]``
``validation_probabilities``,  what recalibration and conformal sets are fitted
``validation_labels``          on; without them, half of the test examples is
``ood_NAME``                   probabilities on an out-of-distribution set
``logits, logits_ood_NAME``    for energy and max logit
``features, features_ood_NAME, penultimate features, for distances in feature
features_train, labels_train,  space; ``logits_train`` lets ViM find the
logits_train``                 classifier's origin
``shift_KIND_SEVERITY``        probabilities on corrupted test examples, and
``shift_clean, shift_labels``  on the same ones as they are; their labels
============================== ================================================
"""

import re
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from calibration.report.checks import Array, PredictionsError
from calibration.report.predictions import Features, Predictions

# What the standard library raises for archives that are cut short or changed, and NumPy
# for a header that is no Python, nests too deep or names what no memory holds.
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, struct.error,
    tokenize.TokenError, SyntaxError, MemoryError, OverflowError, LookupError,
    TypeError,
)  # fmt: skip
_SHIFT = re.compile(r"shift_(\w+)_([1-5])")
_OOD = re.compile(r"(logits_|features_)?ood_.+")
_PLAIN = (
    "probabilities", "labels", "class_names", "indices", "images",
    "mean_probabilities", "validation_probabilities", "validation_labels",
    "logits", "features", "features_train", "labels_train", "logits_train",
    "shift_clean", "shift_labels",
)  # fmt: skip


def read_predictions(path: Path, name: str = "", **known: Any) -> Predictions:
    """Read predictions from an .npz file.

    Args:
        path: The file.
        name: What the report calls the model; the file's name by default.
        known: Further fields of `Predictions`.

    Returns:
        The predictions.

    Raises:
        PredictionsError: If the file is missing, is no .npz or holds pickled objects,
            or its arrays are wrong; the message names the file.
    """
    arrays = read_arrays(path)
    try:
        return predictions_of(name or path.stem, arrays, **known)
    except ValueError as error:
        raise PredictionsError(f"{path}: {error}") from None


def read_arrays(path: Path, names: Collection[str] = ()) -> dict[str, Array]:
    """Read the arrays of an .npz file; objects, which could run code, are refused.

    Args:
        path: The file.
        names: Which arrays, all of which must be there; by default every one.

    Returns:
        The arrays by name.

    Raises:
        PredictionsError: If it cannot be read; the message names the file.
    """
    if not path.is_file():
        raise PredictionsError(f"{path} does not exist, or is not a file.")
    if not zipfile.is_zipfile(path):
        raise PredictionsError(
            f"{path} must be an .npz file of arrays, as np.savez(path, "
            "probabilities=..., labels=...) writes it, got another kind of file."
        )
    place, arrays = str(path), {}
    try:
        with np.load(path, allow_pickle=False) as file:
            for key in names or file.files:
                place = f"{key} in {path}"
                arrays[key] = file[key]
    except (OSError, ValueError, EOFError, *_DAMAGED) as error:
        raise PredictionsError(
            f"{place} cannot be read as plain numbers or text: {error}"
        ) from None
    return arrays


def predictions_of(name: str, arrays: Mapping[str, Array], **known: Any) -> Predictions:
    """Make predictions of arrays that have the names of the module's table.

    Args:
        name: What the report calls the model.
        arrays: By name.
        known: Further fields.

    Returns:
        The predictions.

    Raises:
        ValueError: If an array that is needed is missing, has a name that means
            nothing, or is wrong; the message says which, where and why.
    """
    _check_names(arrays)
    pick = dict(arrays).get
    values: dict[str, Any] = {
        key: pick(key)
        for key in ("indices", "images", "mean_probabilities", "logits",
                    "shift_clean", "shift_labels")
    }  # fmt: skip
    values["ood"] = _named(arrays, "ood_")
    values["ood_logits"] = _named(arrays, "logits_ood_")
    values["shift"] = {
        (found[1], int(found[2])): array
        for key, array in arrays.items()
        if (found := _SHIFT.fullmatch(key))
    }
    if "class_names" in arrays:
        values["class_names"] = _texts(arrays["class_names"])
    values["validation"] = _validation(arrays)
    values["features"] = _features(arrays)
    return Predictions(
        name=name,
        probabilities=arrays["probabilities"],
        labels=arrays["labels"],
        **(values | known),
    )


def _texts(names: Array) -> list[str]:
    if names.ndim != 1 or names.dtype.kind != "U":
        raise PredictionsError(
            "class_names must be a vector of text, one for each class, got shape "
            f"{names.shape} of {names.dtype}."
        )
    return [str(each) for each in names]


def _check_names(arrays: Mapping[str, Array]) -> None:
    missing = [key for key in ("probabilities", "labels") if key not in arrays]
    if missing:
        raise PredictionsError(
            f"arrays must include probabilities and labels, got "
            f"{', '.join(sorted(arrays)) or 'none'}; {' and '.join(missing)} missing."
        )
    unknown = sorted(
        key
        for key in arrays
        if not (key in _PLAIN or _OOD.fullmatch(key) or _SHIFT.fullmatch(key))
    )
    if unknown:
        raise PredictionsError(
            f"arrays must have the names {', '.join(_PLAIN)}, ood_NAME, "
            "logits_ood_NAME, features_ood_NAME or shift_KIND_SEVERITY with severity "
            f"1 to 5, got {', '.join(unknown)}."
        )


def _named(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {
        key.removeprefix(prefix): array
        for key, array in arrays.items()
        if key.startswith(prefix)
    }


def _validation(arrays: Mapping[str, Array]) -> tuple[Array, Array] | None:
    names = ("validation_probabilities", "validation_labels")
    given = [name for name in names if name in arrays]
    if len(given) == 1:
        raise PredictionsError(f"{' and '.join(names)} must be given together, "
                               f"got {given[0]} alone.")  # fmt: skip
    return (arrays[names[0]], arrays[names[1]]) if given else None


def _features(arrays: Mapping[str, Array]) -> Features | None:
    needed = ("features", "features_train", "labels_train")
    if "features" not in arrays and "features_train" not in arrays:
        return None
    missing = [name for name in needed if name not in arrays]
    if missing:
        raise PredictionsError(
            f"{', '.join(needed)} must be given together, got no {missing[0]}."
        )
    return Features(
        train=arrays["features_train"],
        train_labels=arrays["labels_train"],
        test=arrays["features"],
        ood=_named(arrays, "features_ood_"),
        train_logits=arrays.get("logits_train"),
    )

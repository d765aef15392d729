"""What a report is made from: a model's predictions, of whatever framework.

`read_predictions` reads them from an .npz file (NumPy's `np.savez`). Two arrays are
enough; each further one adds a section:

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
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from calibration._checks import check_labels, check_probabilities
from calibration.report.data import LayerRow

Array = NDArray[Any]
_SHIFT = re.compile(r"shift_(\w+)_([1-5])")
_PLAIN = (
    "probabilities", "labels", "class_names", "indices", "images",
    "mean_probabilities", "validation_probabilities", "validation_labels",
    "logits", "features", "features_train", "labels_train", "logits_train",
    "shift_clean", "shift_labels",
)  # fmt: skip


class PredictionsError(ValueError):
    """Predictions that no report can be made from; the message says why."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """Penultimate features, for detectors that measure distances.

    Args:
        train: Of training examples, ``[M, D]``.
        train_labels: Their classes, ``[M]``.
        test: Of the test examples, ``[N, D]``.
        ood: Of each out-of-distribution set, ``[*, D]``.
        train_logits: Logits of the training examples, ``[M, C]``, or None.
    """

    train: Array
    train_labels: Array
    test: Array
    ood: Mapping[str, Array]
    train_logits: Array | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """A model's predictions and what is known about it.

    Args:
        name: What the report calls the model.
        probabilities: On the test examples, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, ``[N]``.
        class_names: C names; numbers by default.
        indices: Row of each example in its dataset, ``[N]``; 0, 1, ... by default.
        images: The examples, uint8 ``[N, H, W]`` or ``[N, H, W, 3]``.
        image_rows: For images of some examples only, their rows; ``[M]`` then.
        mean_probabilities: At the posterior mean, ``[N, C]``.
        validation: Probabilities and labels that are no test examples.
        ood: Probabilities by name of the out-of-distribution set.
        logits: Of the test examples, ``[N, C]`` or ``[S, N, C]``.
        ood_logits: Of each out-of-distribution set.
        features: See `Features`.
        shift: Probabilities on corrupted examples, by kind and severity 1 to 5.
        shift_clean: Probabilities on the same examples as they are.
        shift_labels: Labels of those.
        near: Names of the out-of-distribution sets that are near.
        far: Names of those that are far.
        posterior: What is known of each layer's posterior.
        provenance: What was trained on what and how, label by label.
        family: Models of the same family differ in the seed alone; "" for none.
        notes: Sentences for the list of limitations.
    """

    name: str
    probabilities: Array
    labels: Array
    class_names: list[str] = field(default_factory=list)
    indices: Array | None = None
    images: Array | None = None
    image_rows: Array | None = None
    mean_probabilities: Array | None = None
    validation: tuple[Array, Array] | None = None
    ood: Mapping[str, Array] = field(default_factory=dict)
    logits: Array | None = None
    ood_logits: Mapping[str, Array] = field(default_factory=dict)
    features: Features | None = None
    shift: Mapping[tuple[str, int], Array] = field(default_factory=dict)
    shift_clean: Array | None = None
    shift_labels: Array | None = None
    near: tuple[str, ...] = ()
    far: tuple[str, ...] = ()
    posterior: list[LayerRow] = field(default_factory=list)
    provenance: dict[str, str] = field(default_factory=dict)
    family: str = ""
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        shape = check_probabilities(self.probabilities).shape
        count, classes = shape[-2:]
        check_labels(self.labels, count, classes)
        for name, rows in _others(self).items():
            check_classes(name, rows, classes)
        if self.validation is not None:
            _check_pair("validation", *self.validation)
        if self.shift or self.shift_clean is not None:
            self._check_shift()
        for name, array in (("indices", self.indices), ("images", self.images)):
            wanted = count if name == "indices" or self.image_rows is None else None
            if array is not None and wanted not in {None, len(array)}:
                raise PredictionsError(
                    f"{name} must have one entry for each of {count} examples, "
                    f"got {len(array)}."
                )
        if self.class_names and len(self.class_names) != classes:
            raise PredictionsError(
                f"class_names must have one entry for each of {classes} classes, "
                f"got {len(self.class_names)}."
            )
        for name in (*self.near, *self.far):
            if name not in self.ood:
                raise PredictionsError(
                    "near and far must name out-of-distribution sets "
                    f"({', '.join(self.ood) or 'there are none'}), got {name!r}."
                )

    def _check_shift(self) -> None:
        if self.shift_clean is None or self.shift_labels is None or not self.shift:
            raise PredictionsError(
                "shift_KIND_SEVERITY, shift_clean and shift_labels must be given "
                "together: what is corrupted is compared with the same as it is."
            )
        for (kind, severity), rows in self.shift.items():
            _check_pair(f"shift_{kind}_{severity}", rows, self.shift_labels)
        _check_pair("shift_clean", self.shift_clean, self.shift_labels)

    @classmethod
    def from_arrays(cls, name: str, arrays: Mapping[str, Array], **known: Any) -> Self:
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
            values["class_names"] = [str(each) for each in arrays["class_names"]]
        values["validation"] = _validation(arrays)
        values["features"] = _features(arrays)
        return cls(
            name=name,
            probabilities=arrays["probabilities"],
            labels=arrays["labels"],
            **(values | known),
        )


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
        return Predictions.from_arrays(name or path.stem, arrays, **known)
    except ValueError as error:
        raise PredictionsError(f"{path}: {error}") from None


def read_arrays(path: Path) -> dict[str, Array]:
    """Read every array of an .npz file; objects, which could run code, are refused.

    Args:
        path: The file.

    Returns:
        The arrays by name.

    Raises:
        PredictionsError: If it cannot be read; the message names the file.
    """
    if not path.is_file():
        raise PredictionsError(f"{path} does not exist, or is not a file.")
    if not zipfile.is_zipfile(path):
        raise PredictionsError(
            f"{path} must be an .npz with the arrays probabilities and labels, got "
            "another kind of file. Save them with np.savez(path, probabilities=..., "
            "labels=...)."
        )
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise PredictionsError(
            f"{path} cannot be read as an .npz of plain arrays: {error}"
        ) from None


def check_classes(name: str, probabilities: Array, num_classes: int) -> None:
    """Refuse probabilities that are invalid or have another number of classes."""
    found = check_probabilities(probabilities, name).shape[-1]
    if found != num_classes:
        raise PredictionsError(
            f"{name} must have the {num_classes} classes of the probabilities, "
            f"got {found}."
        )


def _others(predictions: Predictions) -> dict[str, Array]:
    """All further probabilities, by name."""
    others = {f"ood_{name}": each for name, each in predictions.ood.items()}
    others |= {f"shift_{k}_{s}": each for (k, s), each in predictions.shift.items()}
    if predictions.validation is not None:
        others["validation_probabilities"] = predictions.validation[0]
    for name in ("mean_probabilities", "shift_clean"):
        array = getattr(predictions, name)
        if array is not None:
            others[name] = array
    return others


def _check_pair(name: str, probabilities: Array, labels: Array) -> None:
    shape = check_probabilities(probabilities, name).shape
    try:
        check_labels(labels, *shape[-2:])
    except ValueError as error:
        raise PredictionsError(f"{name}: {error}") from None


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
        if key not in _PLAIN
        and not key.startswith(("ood_", "logits_ood_", "features_ood_"))
        and not _SHIFT.fullmatch(key)
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

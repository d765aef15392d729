"""What a report is made from: a model's predictions, of whatever framework."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from calibration.report import checks
from calibration.report.checks import Array
from calibration.report.data import LayerRow


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
        shape = checks.check_test(self.probabilities, self.labels)
        checks.check_names(self.class_names, shape[1])
        checks.check_indices(self.indices, shape[0])
        checks.check_images(self.images, self.image_rows, shape[0])
        checks.check_like("mean_probabilities", self.mean_probabilities, shape)
        if self.validation is not None:
            checks.check_pair("validation", *self.validation, shape[1])
        self._check_shift(shape[1])
        self._check_ood(shape)

    def _check_shift(self, num_classes: int) -> None:
        if not self.shift and self.shift_clean is None:
            return
        if self.shift_clean is None or self.shift_labels is None or not self.shift:
            raise checks.PredictionsError(
                "shift_KIND_SEVERITY, shift_clean and shift_labels must be given "
                "together: what is corrupted is compared with the same as it is."
            )
        parts = {f"shift_{k}_{s}": rows for (k, s), rows in self.shift.items()}
        for name, rows in ({"shift_clean": self.shift_clean} | parts).items():
            checks.check_pair(name, rows, self.shift_labels, num_classes)

    def _check_ood(self, shape: tuple[int, int]) -> None:
        counts = {
            name: checks.check_classes(f"ood_{name}", rows, shape[1])
            for name, rows in self.ood.items()
        }
        checks.check_sets("near and far", (*self.near, *self.far), counts)
        checks.check_sets("logits_ood_NAME", self.ood_logits, counts)
        checks.check_logits_like("logits", self.logits, shape)
        for name, rows in self.ood_logits.items():
            checks.check_logits_like(
                f"logits_ood_{name}", rows, (counts[name], shape[1])
            )
        if both := set(self.near) & set(self.far):
            raise checks.PredictionsError(
                "near and far must name different sets, "
                f"got {', '.join(sorted(both))} in both."
            )
        if self.features is not None:
            self._check_features(self.features, counts, *shape)

    def _check_features(
        self, found: Features, counts: Mapping[str, int], count: int, num_classes: int
    ) -> None:
        checks.check_sets("features_ood_NAME", found.ood, counts)
        num_train, width = checks.check_features("features_train", found.train)
        checks.check_features("features", found.test, count, width)
        for name, rows in found.ood.items():
            checks.check_features(f"features_ood_{name}", rows, counts[name], width)
        checks.check_labels_of(
            "labels_train", found.train_labels, num_train, num_classes
        )
        checks.check_logits_like(
            "logits_train", found.train_logits, (num_train, num_classes)
        )

"""What a file of predictions may hold, and how wrong ones are refused."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from calibration.report.checks import PredictionsError
from calibration.report.reading import read_arrays, read_predictions
from tests.calibration.examples import random_labels, random_probabilities

PROBABILITIES, LABELS = random_probabilities(30, 3), random_labels(30, 3)


def saved(tmp_path: Path, **arrays) -> Path:
    """Save arrays beside valid probabilities and labels; None leaves one out."""
    content = {"probabilities": PROBABILITIES, "labels": LABELS} | arrays
    path = tmp_path / "predictions.npz"
    np.savez(path, **{k: v for k, v in content.items() if v is not None})
    return path


def test_two_arrays_are_enough(tmp_path):
    read = read_predictions(saved(tmp_path))
    assert read.name == "predictions"
    assert np.array_equal(read.probabilities, PROBABILITIES)
    assert read.validation is None
    assert read.ood == {}


def test_every_further_array_finds_its_place(tmp_path):
    rows = random_probabilities(7, 3, seed=2)
    path = saved(
        tmp_path,
        class_names=np.array(["a", "b", "c"]),
        indices=np.arange(30) + 100,
        images=np.zeros((30, 4, 4), np.uint8),
        mean_probabilities=PROBABILITIES,
        validation_probabilities=rows,
        validation_labels=np.zeros(7, int),
        ood_far=rows,
        logits=np.log(PROBABILITIES),
        logits_ood_far=np.log(rows),
        features=np.ones((30, 5)),
        features_ood_far=np.ones((7, 5)),
        features_train=np.ones((9, 5)),
        labels_train=np.zeros(9, int),
        logits_train=np.ones((9, 3)),
        shift_gaussian_noise_5=rows,
        shift_fog_1=rows,
        shift_clean=rows,
        shift_labels=np.zeros(7, int),
    )
    read = read_predictions(path, "mine", far=("far",))
    assert read.name == "mine"
    assert read.class_names == ["a", "b", "c"]
    assert set(read.ood) == set(read.ood_logits) == set(read.features.ood) == {"far"}
    assert read.features.train_logits.shape == (9, 3)
    assert set(read.shift) == {("gaussian_noise", 5), ("fog", 1)}
    assert len(read.validation[1]) == 7


LOGITS = np.log(PROBABILITIES) * 3
NEGATIVE = PROBABILITIES.copy()
NEGATIVE[4, 1] = -0.25
UNNORMALISED = PROBABILITIES.copy()
UNNORMALISED[6] *= 1.5
HOLE = PROBABILITIES.copy()
HOLE[2, 0] = np.nan

TRAINED = {
    "features": np.ones((30, 2)),
    "features_train": np.ones((8, 2)),
    "labels_train": np.zeros(8, int),
}
HOLES = np.ones((30, 2))
HOLES[4, 1] = np.inf


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"labels": None}, r"probabilities and labels, got probabilities; labels miss"),
        ({"labels": LABELS[:9]}, r"labels must have one entry for each of 30 .* got 9"),
        ({"labels": LABELS + 1}, r"labels must be in 0..2, got 3 at labels\[\d+\]"),
        ({"labels": np.eye(3)[LABELS]}, r"one-hot"),
        ({"probabilities": LOGITS}, r"-log|log-probabilities|Were log"),
        ({"probabilities": 100 * PROBABILITIES}, r"Were percentages passed"),
        ({"probabilities": 5 * PROBABILITIES}, r"Were logits passed by mistake"),
        ({"probabilities": NEGATIVE}, r"got -0.25 at probabilities\[4, 1\]"),
        ({"probabilities": UNNORMALISED}, r"got 1\.\d+ at |row probabilities\[6\]"),
        ({"probabilities": HOLE}, r"finite, got nan at probabilities\[2, 0\]"),
        ({"probabilities": PROBABILITIES.T}, r"sum to 1|one entry"),
        ({"probabilities": PROBABILITIES[:, 0]}, r"\[N, C\] or \[S, N, C\]"),
        ({"probabilities": PROBABILITIES[:0]}, r"non-empty"),
        ({"ood_far": random_probabilities(5, 4)}, r"ood_far must have the 3 classes"),
        ({"ood-far": PROBABILITIES}, r"got ood-far"),
        ({"shift_fog_7": PROBABILITIES}, r"severity 1 to 5, got shift_fog_7"),
        ({"shift_fog_1": PROBABILITIES}, r"shift_clean and shift_labels"),
        ({"validation_labels": LABELS}, r"together, got validation_labels alone"),
        (
            {"validation_probabilities": PROBABILITIES, "validation_labels": [0]},
            r"validation: labels must have one entry",
        ),
        ({"features": np.ones((30, 2))}, r"got no features_train"),
        ({"indices": np.arange(3)}, r"indices must be whole numbers, one for"),
        ({"images": np.zeros((3, 4, 4), np.uint8)}, r"images must have one entry"),
        ({"images": np.zeros((30, 3, 8, 8), np.uint8)}, r"transpose\(0, 2, 3, 1\)"),
        ({"images": np.zeros((30, 4, 4))}, r"images must be uint8 .* float64"),
        ({"indices": np.zeros((30, 1), int)}, r"indices must be whole .* \(30, 1\)"),
        ({"indices": np.arange(30.0)}, r"indices must be whole .* float64"),
        ({"mean_probabilities": PROBABILITIES[1:]}, r"mean_probabilities must be \["),
        ({"logits": LOGITS[1:]}, r"logits must be \[N, C\] = \(30, 3\)"),
        ({"logits": LOGITS * np.nan}, r"logits must be finite"),
        ({"logits_ood_x": LOGITS}, r"logits_ood_NAME must name .* got 'x'"),
        (TRAINED | {"features": np.ones((29, 2))}, r"features must be of shape"),
        (TRAINED | {"features": np.ones((30, 3))}, r"features must be of shape"),
        (TRAINED | {"features_train": np.ones(8)}, r"features_train must be numbers"),
        (TRAINED | {"features_ood_x": np.ones((3, 2))}, r"features_ood_NAME must name"),
        (TRAINED | {"labels_train": np.zeros(7, int)}, r"labels_train: labels must"),
        (TRAINED | {"logits_train": np.zeros((8, 2))}, r"logits_train must be \["),
        (TRAINED | {"features": HOLES}, r"features must be finite, .* in row 4"),
        ({"class_names": np.array([b"a", b"b", b"c"])}, r"class_names must be a vec"),
        ({"class_names": np.array([["a"], ["b"], ["c"]])}, r"\(3, 1\) of <U1"),
        ({"ood_": PROBABILITIES}, r"got ood_\."),
        ({"class_names": np.array(["a"])}, r"class_names must have one entry for each"),
    ],
)  # fmt: skip
def test_bad_arrays_are_refused_with_their_file(tmp_path, arrays, text):
    path = saved(tmp_path, **arrays)
    with pytest.raises(PredictionsError, match=text) as caught:
        read_predictions(path)
    assert str(path) in str(caught.value)


def test_near_and_far_name_sets(tmp_path):
    with pytest.raises(PredictionsError, match=r"near and far .*there are none.*svhn"):
        read_predictions(saved(tmp_path), near=("svhn",))


def test_a_set_is_near_or_far(tmp_path):
    path = saved(tmp_path, ood_svhn=PROBABILITIES)
    with pytest.raises(PredictionsError, match="different sets, got svhn in both"):
        read_predictions(path, near=("svhn",), far=("svhn",))


def test_pickled_objects_are_never_loaded(tmp_path):
    path = saved(tmp_path, labels=np.array([Path()] * 30, dtype=object))
    with pytest.raises(PredictionsError, match=r"labels in .* plain numbers or text"):
        read_predictions(path)


@pytest.mark.parametrize("content", [b"", b"nothing", b"PK\x03\x04broken"])
def test_files_that_are_no_arrays_are_refused(tmp_path, content):
    path = tmp_path / "predictions.npz"
    path.write_bytes(content)
    with pytest.raises(PredictionsError, match=r"must be an \.npz"):
        read_arrays(path)


def test_a_damaged_compressed_file_is_refused(tmp_path):
    path = tmp_path / "predictions.npz"
    np.savez_compressed(path, probabilities=PROBABILITIES, labels=LABELS)
    content = bytearray(path.read_bytes())
    content[80:200] = bytes(255 - each for each in content[80:200])
    path.write_bytes(content)
    with pytest.raises(PredictionsError, match=r"probabilities in .* cannot be read"):
        read_arrays(path)


def test_some_arrays_are_read_alone_and_must_be_there(tmp_path):
    path = saved(tmp_path)
    assert set(read_arrays(path, ["labels"])) == {"labels"}
    with pytest.raises(PredictionsError, match=r"indices in .* cannot be read"):
        read_arrays(path, ["indices"])


def test_a_damaged_file_is_refused(tmp_path):
    path = saved(tmp_path)
    content = bytearray(path.read_bytes())
    content[60:400] = bytes(340)
    path.write_bytes(content)
    with pytest.raises(PredictionsError, match="cannot be read"):
        read_arrays(path)


def test_a_missing_file_and_a_single_array_are_told_apart(tmp_path):
    with pytest.raises(PredictionsError, match="does not exist"):
        read_arrays(tmp_path / "none.npz")
    np.save(tmp_path / "one.npy", PROBABILITIES)
    with pytest.raises(PredictionsError, match=r"np\.savez"):
        read_arrays(tmp_path / "one.npy")


@pytest.mark.parametrize(
    "header",
    [
        "{'descr':'|u1','fortran_order':False,'shape':(4,(",
        "(" * 9_000,
        "-" * 9_000,
        "{'descr':(),'fortran_order':False,'shape':(4,)}",
        "{'descr':'|u1','fortran_order':False,'shape':(%s,)}" % 10**30,
        "{'descr':'|u1','fortran_order':False,'shape':(%s,)}" % 2**62,
    ],
)
def test_a_header_that_is_no_python_is_damage(tmp_path, header):
    path, content = tmp_path / "predictions.npz", header.encode()
    with zipfile.ZipFile(path, "w") as archive:
        size = len(content).to_bytes(2, "little")
        archive.writestr("labels.npy", b"\x93NUMPY\x01\x00" + size + content)
    with pytest.raises(PredictionsError, match=r"labels in .* cannot be read"):
        read_arrays(path)

"""Which examples are picked, by hand and by property."""

import numpy as np
import pytest

from calibration import decompose, entropy, select_examples
from tests.calibration.examples import random_labels, random_probabilities, two_classes


def test_five_examples_by_hand():
    probabilities = two_classes(0.9, 0.6, 0.01, 0.8, 0.3)
    chosen = select_examples(probabilities, [0, 0, 0, 0, 0], 2)
    assert {kind: indices.tolist() for kind, indices in chosen.items()} == {
        "most_certain": [2, 0],
        "least_certain": [1, 4],
        "confidently_wrong": [0, 3],
    }


def test_disagreement_is_told_from_doubt():
    doubtful, disputed, settled = [0.5, 0.5], [0.95, 0.05], [0.99, 0.99]
    samples = two_classes(*np.transpose([doubtful, disputed, settled]))
    chosen = select_examples(samples, [1, 1, 1], 3)
    assert chosen["most_epistemic"].tolist() == [1, 0, 2]
    assert chosen["least_certain"].tolist() == [0, 1, 2]


def test_selections_are_sorted_by_what_they_are_named_for():
    samples, labels = random_probabilities(5, 60, 4), random_labels(60, 4)
    chosen = select_examples(samples, labels, 10)
    mean = samples.mean(axis=0)
    mutual = decompose(samples).mutual_information
    assert np.all(np.diff(entropy(mean)[chosen["most_certain"]]) >= 0)
    assert np.all(np.diff(entropy(mean)[chosen["least_certain"]]) <= 0)
    assert np.all(np.diff(mean.max(axis=1)[chosen["confidently_wrong"]]) <= 0)
    wrong = chosen["confidently_wrong"]
    assert np.all(mean.argmax(axis=1)[wrong] != labels[wrong])
    rest = np.setdiff1d(np.arange(60), chosen["most_epistemic"])
    assert mutual[chosen["most_epistemic"]].min() >= mutual[rest].max()


def test_no_more_than_there_are():
    probabilities = two_classes(0.9, 0.2)
    chosen = select_examples(probabilities, [1, 0], 7)
    assert chosen["most_certain"].tolist() == [0, 1]
    assert chosen["confidently_wrong"].tolist() == []


def test_equals_keep_their_order():
    even = np.arange(0, 200, 2)
    probabilities = two_classes(*np.tile([0.9, 0.6], 100))
    chosen = select_examples(probabilities, [0] * 200, 100)
    assert chosen["most_certain"].tolist() == even.tolist()
    assert chosen["least_certain"].tolist() == (even + 1).tolist()
    assert chosen["confidently_wrong"].tolist() == even.tolist()


@pytest.mark.parametrize("leading", [(), (1,)])
def test_one_model_has_no_epistemic_choice(leading):
    probabilities = random_probabilities(*leading, 5, 3)
    assert "most_epistemic" not in select_examples(probabilities, [0] * 5, 2)


def test_count_is_checked():
    with pytest.raises(ValueError, match="count must be an integer of at least 1, got"):
        select_examples(two_classes(0.5), [0], 0)

"""Every score on every set, as far as the arrays allow."""

import numpy as np
import pytest

from calibration import auroc, entropy, predictive
from calibration.report.measuring.ood import HEADLINE, TITLES, ood_sets
from calibration.report.predictions import Features, Predictions
from tests.calibration.examples import random_labels, random_probabilities

PROBABILITIES, LABELS = random_probabilities(3, 120, 4), random_labels(120, 4)
FAR, NEAR = (
    random_probabilities(3, 40, 4, seed=1, scale=0.2),
    random_probabilities(3, 50, 4, seed=2),
)


def features(ood, logits=None):
    train = np.random.default_rng(0).normal(size=(80, 6))
    return Features(
        train=train,
        train_labels=np.arange(80) % 4,
        test=train.repeat(2, axis=0)[:120],
        ood=ood,
        train_logits=logits,
    )


def made(**changes):
    given = {"probabilities": PROBABILITIES, "labels": LABELS, "ood": {"far": FAR}}
    return Predictions(name="a", **(given | changes))


def test_no_sets_no_section():
    assert ood_sets(made(ood={})) == ([], [], [])


def test_probabilities_alone_give_four_scores_headline_first():
    ((found,), _, _) = ood_sets(made())
    assert [each.name for each in found.scores] == [
        "entropy", "max_probability", "mutual_information", "expected_entropy",
    ]  # fmt: skip
    assert found.scores[0].name == HEADLINE
    inside, outside = (entropy(predictive(p)) for p in (PROBABILITIES, FAR))
    assert found.scores[0].auroc == auroc(inside, outside)
    assert sum(found.counts_in) == 120
    assert sum(found.counts_out) == found.num_examples == 40
    assert (found.false_positive_rate[0], found.true_positive_rate[-1]) == (0, 1)


def test_logits_and_features_add_their_scores():
    train = features({"far": np.ones((40, 6)) * 5})
    logits = train.train @ np.random.default_rng(1).normal(size=(6, 4)) + 9
    given = made(
        logits=np.log(PROBABILITIES[0]),
        ood_logits={"far": np.log(FAR[0])},
        features=features(train.ood, logits),
    )
    ((found,), _, _) = ood_sets(given)
    assert [each.name for each in found.scores] == list(TITLES)


def test_logits_that_are_not_affine_in_the_features_leave_vim_out():
    given = made(
        features=features(
            {"far": np.ones((40, 6))},
            np.random.default_rng(1).normal(size=(80, 4)) ** 3,
        )
    )
    ((found,), _, (note,)) = ood_sets(given)
    assert note.startswith("a: ViM is left out: logits")
    names = [each.name for each in found.scores]
    assert "mahalanobis" in names
    assert "vim" not in names


def test_a_set_without_logits_leaves_their_scores_out_for_all():
    given = made(
        ood={"far": FAR, "near": NEAR},
        logits=np.log(PROBABILITIES[0]),
        ood_logits={"far": np.log(FAR[0])},
    )
    sets, _, (note,) = ood_sets(given)
    assert note == "a: scores that need logits are left out, as near has none."
    assert all("energy" not in [s.name for s in each.scores] for each in sets)


def test_near_and_far_are_averaged():
    sets, groups, _ = ood_sets(
        made(ood={"far": FAR, "near": NEAR, "other": NEAR}, far=("far",),
             near=("near", "other"))
    )  # fmt: skip
    assert [(each.name, each.members) for each in groups] == [
        ("near", ["near", "other"]),
        ("far", ["far"]),
    ]
    mean = np.mean([each.scores[0].auroc for each in sets[1:]])
    assert groups[0].scores[0].auroc == pytest.approx(mean)

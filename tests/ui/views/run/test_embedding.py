"""Tests of `ui/views/run/embedding.py`."""

import numpy as np
import plotly.graph_objects as go
import pytest
from sklearn.decomposition import PCA

from tests.ui import fakes
from tests.ui.painting import painted
from trainers.drawn import sampled_rows
from ui.components import predictions
from ui.views.run.embedding import (
    ENTROPY,
    EPISTEMIC,
    MAX_CLASSES,
    PREDICTED,
    RIGHT,
    Group,
    embedding_alt,
    embedding_figure,
    principal_plane,
)

NAMES = [f"<i>{k}</i>" for k in range(10)]
AXES = ("first", "second")


@pytest.fixture
def groups(root):
    run = fakes.write_run(root, "a", evaluated=True)
    found = []
    for name, title in (("", "Test set"), ("ood_photo-patches", "Patches, OOD")):
        part = predictions.part(run, name)
        rows = sampled_rows(len(part), 90)
        places = np.random.default_rng(0).normal(size=(len(rows), 2))
        found.append(Group(name, title, part, rows, places))
    return found


def test_the_plane_is_that_of_principal_components():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(50, 7)) @ rng.normal(size=(7, 7)) + 3
    second = rng.normal(size=(9, 7))
    (one, two), share = principal_plane([first, second])
    fitted = PCA(2).fit(first)
    for mine, features in ((one, first), (two, second)):
        theirs = fitted.transform(features)
        np.testing.assert_allclose(np.abs(mine), np.abs(theirs), atol=1e-9)
    assert share == pytest.approx(fitted.explained_variance_ratio_.sum())


def test_the_plane_is_the_same_each_time_and_whatever_the_signs():
    features = np.random.default_rng(0).normal(size=(30, 5))
    (once,), _ = principal_plane([features])
    (again,), _ = principal_plane([features])
    np.testing.assert_array_equal(once, again)
    (turned,), _ = principal_plane([features[::-1]])
    np.testing.assert_allclose(turned[::-1], once, atol=1e-9)


@pytest.mark.parametrize("features", [np.ones((4, 3)), np.arange(4.0)[:, None]])
def test_features_of_less_than_two_directions_lie_on_a_line(features):
    (places,), share = principal_plane([features])
    assert places.shape == (4, 2)
    np.testing.assert_allclose(places[:, 1], 0, atol=1e-12)
    assert share == pytest.approx(1)


@pytest.mark.parametrize("coloring", [ENTROPY, EPISTEMIC, PREDICTED, RIGHT])
def test_every_example_is_drawn_once_and_tells_its_row(groups, coloring):
    drawn = embedding_figure(groups, coloring, NAMES, AXES)
    told = [tuple(each) for trace in drawn["data"] for each in trace["customdata"]]
    assert sorted(told) == sorted(
        (group.name, row) for group in groups for row in group.rows.tolist()
    )
    out = [t for t in drawn["data"] if t["marker"].get("symbol") == "diamond"]
    assert sum(len(trace["x"]) for trace in out) == 90
    assert "<i>" not in str(drawn["data"])
    go.Figure(painted(drawn))


def test_colours_are_the_entropies_on_one_scale(groups):
    for coloring, key in ((ENTROPY, "total"), (EPISTEMIC, "mutual_information")):
        traces = embedding_figure(groups, coloring, NAMES, AXES)["data"]
        for trace, group in zip(traces, groups, strict=True):
            expected = getattr(group.part, key)[group.rows]
            np.testing.assert_allclose(trace["marker"]["color"], expected, atol=1e-5)
        assert len({trace["marker"]["cmax"] for trace in traces}) == 1


def test_right_and_wrong_are_apart(groups):
    traces = embedding_figure(groups, RIGHT, NAMES, AXES)["data"]
    part = groups[0].part
    for trace in traces[:2]:
        rows = [row for _, row in trace["customdata"]]
        assert set(part.correct[rows]) == {trace["name"] == "Right"}


def test_of_many_classes_the_rarer_share_a_colour(groups):
    first = groups[0]
    part = first.part
    vars(part)["prediction"] = np.arange(len(part)) % 40
    names = [str(k) for k in range(40)]
    traces = embedding_figure([first], PREDICTED, names, AXES)["data"]
    assert len(traces) == MAX_CLASSES + 1
    assert traces[-1]["name"] == "24 other classes"
    looks = {(t["marker"]["color"], t["marker"].get("symbol")) for t in traces}
    assert len(looks) == len(traces)


def test_the_sentence_has_the_numbers(groups):
    told = embedding_alt(groups, "PCA", ENTROPY)
    mean = groups[0].part.total[groups[0].rows].mean()
    assert "90 of Test set, 90 of Patches, OOD" in told
    assert f"Mean entropy: {mean:.3f} nats in Test set" in told

"""Tests of `ui/views/run/places.py`."""

import numpy as np
import pytest

from tests.ui import fakes
from trainers.runs import RunError
from trainers.tsne import tsne
from ui.components import access
from ui.components.access import AccessError
from ui.components.reading import stamp_of
from ui.views.run import places
from ui.views.run.places import (
    FILE,
    compute_places,
    drawn_rows,
    pca_places,
    read_places,
)


@pytest.fixture
def run(root, monkeypatch):
    monkeypatch.setattr(access, "may_edit", lambda: True)
    return fakes.write_run(root, "a", evaluated=True)


def changed(run, **arrays):
    with np.load(run.predictions) as found:
        kept = {**found, **arrays}
    np.savez(run.predictions, **{k: v for k, v in kept.items() if v is not None})


def test_the_sets_with_features_are_drawn(run):
    rows = drawn_rows(run)
    assert {name: len(each) for name, each in rows.items()} == {
        "": 360, "ood_photo-patches": 500,
    }  # fmt: skip
    changed(run, features=None)
    assert drawn_rows(run) == {}


def test_pca_is_at_hand(run):
    found, share = pca_places(str(run.path), stamp_of(run.predictions))
    assert [each.shape for each in found] == [(360, 2), (500, 2)]
    assert 0 < share <= 1


@pytest.mark.parametrize(
    "features", [np.zeros((3, 6)), np.zeros(360), np.full((360, 6), np.nan)]
)
def test_features_that_do_not_fit_are_damage(run, features):
    changed(run, features=features)
    with pytest.raises(RunError, match="damaged"):
        pca_places(str(run.path), stamp_of(run.predictions))


def test_tsne_is_computed_elsewhere_and_kept_until_the_predictions_change(run):
    rows = drawn_rows(run)
    assert read_places(run, rows) is None
    compute_places(run, rows)
    found = read_places(run, rows)
    with np.load(run.predictions) as arrays:
        features = [arrays["features"], arrays["features_ood_photo-patches"]]
    expected = tsne(np.concatenate(features))
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=1e-4, atol=1e-3)
    changed(run)
    assert read_places(run, rows) is None


def test_who_waited_for_another_finds_the_places_of_that_one(run, monkeypatch):
    rows = drawn_rows(run)
    stamp = np.array(stamp_of(run.predictions))
    np.savez(run.path / FILE, places=np.ones((860, 2)), stamp=stamp)
    monkeypatch.setattr(places.subprocess, "run", lambda *_, **__: pytest.fail("again"))
    compute_places(run, rows)
    assert (np.concatenate(read_places(run, rows)) == 1).all()


def test_a_damaged_file_of_places_is_computed_anew(run):
    (run.path / FILE).write_bytes(b"PK nonsense")
    assert read_places(run, drawn_rows(run)) is None
    np.savez(run.path / FILE, places=np.zeros((2, 2)), stamp=np.zeros(3))
    assert read_places(run, drawn_rows(run)) is None


def test_viewers_compute_nothing(run, monkeypatch):
    monkeypatch.setattr(access, "may_edit", lambda: False)
    with pytest.raises(AccessError):
        compute_places(run, drawn_rows(run))
    assert not (run.path / FILE).exists()


def test_a_failure_is_told_and_leaves_no_file(run, monkeypatch):
    rows = drawn_rows(run)
    few = {name: each[:2] for name, each in rows.items()}
    with pytest.raises(RunError, match="t-SNE failed: ValueError: features must be"):
        compute_places(run, few)
    monkeypatch.setattr(places, "PATIENCE", 0.01)
    with pytest.raises(RunError, match="took more than"):
        compute_places(run, rows)
    assert not (run.path / FILE).exists()

"""Tests of `ui/views/run/places.py`."""

import time

import numpy as np
import pytest

from tests.ui import fakes
from tests.ui.seen import errors, text
from trainers import errands
from trainers.drawn import drawn_rows
from trainers.errands import FAILED, RUNNING, Errand
from trainers.tsne import FILE
from ui.components import access
from ui.components.latest import stamp_of
from ui.views.run.places import pca_places, place_of, progress, read_places


@pytest.fixture
def run(root, monkeypatch):
    monkeypatch.setattr(access, "may_edit", lambda: True)
    return fakes.write_run(root, "a", evaluated=True)


def shown(open_page):
    query = {"maps_view": "Embedding", "maps_projection": "t-SNE"}
    return open_page("run", run="a", tab="Uncertainty maps", **query)


def test_pca_is_at_hand(run):
    found, share = pca_places(str(run.path), stamp_of(run.predictions))
    assert [each.shape for each in found] == [(360, 2), (500, 2)]
    assert 0 < share <= 1


def test_places_are_kept_until_the_predictions_change(run):
    rows = drawn_rows(run)
    assert read_places(run, rows) is None
    places = np.arange(1720.0).reshape(860, 2)
    np.savez(run.path / FILE, places=places, stamp=stamp_of(run.predictions))
    np.testing.assert_array_equal(np.concatenate(read_places(run, rows)), places)
    with np.load(run.predictions) as arrays:
        np.savez(run.predictions, **arrays)
    assert read_places(run, rows) is None


def test_a_damaged_file_of_places_is_computed_anew(run):
    (run.path / FILE).write_bytes(b"PK nonsense")
    assert read_places(run, drawn_rows(run)) is None
    np.savez(run.path / FILE, places=np.zeros((2, 2)), stamp=np.zeros(3))
    assert read_places(run, drawn_rows(run)) is None


@pytest.mark.parametrize(
    ("log", "share"),
    [
        ("", None),
        ("[t-SNE] Computed neighbors for 9 samples in 0.1s...\n", None),
        ("[t-SNE] Iteration 50: error = 1\n[t-SNE] Iteration 250: error = 1\n", 0.25),
        ("[t-SNE] Iteration 5000: error = 1\n", 1.0),
    ],
)
def test_progress_is_read_from_the_log(log, share):
    assert progress(log) == share


def test_it_is_an_errand_that_a_viewer_cannot_begin(open_page, run, monkeypatch):
    begun = []
    monkeypatch.setattr(errands, "begin", lambda *given: begun.append(given))
    app = shown(open_page)
    assert "t-SNE of 860 examples takes" in text(app)
    app.button(key="maps_tsne").click().run()
    assert begun == [(place_of(run), ["trainers.tsne", str(run.path)])]
    monkeypatch.setattr(access, "may_edit", lambda: False)
    app.button(key="maps_tsne").click().run()  # of a page that an editor opened
    assert len(begun) == 1
    assert app.button(key="maps_tsne").disabled
    assert "Only editors may start it" in text(app)


def test_while_it_runs_there_is_its_progress_and_a_stop(open_page, run, monkeypatch):
    log, ended = "[t-SNE] Iteration 250: error = 1\n", []
    errand = Errand(RUNNING, (), time.time(), None, log)
    monkeypatch.setattr(errands, "look", lambda _: errand)
    monkeypatch.setattr(errands, "end", ended.append)
    app = shown(open_page)
    (bar,) = app.get("progress")
    assert (bar.proto.value, bar.proto.text) == (25, "Laying the examples out: 25 %")
    app.button(key="maps_tsne_stop").click().run()
    assert ended == [place_of(run)]
    failed = Errand(FAILED, (), time.time(), 2, "error: too few")
    monkeypatch.setattr(errands, "look", lambda _: failed)
    app.run()
    assert "t-SNE did not end well" in errors(app)
    assert "error: too few" in [each.value for each in app.code]

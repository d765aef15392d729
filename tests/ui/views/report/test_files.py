"""Tests of `ui/views/report/files.py`."""

import os
import time

import pytest

from tests.ui import fakes
from tests.ui.seen import text
from ui.views.report.files import framed, is_within


@pytest.fixture
def made(root):
    """A run with a report of another program's making."""
    run = fakes.write_run(root, "a", evaluated=True)
    (run.path / "report" / "tables").mkdir(parents=True)
    (run.path / "report" / "report.html").write_text("<script>parent.x = 1</script>")
    (run.path / "report" / "report.pdf").write_bytes(b"%PDF")
    (run.path / "report" / "tables" / "bins.csv").write_text("a\n1\n")
    return run


def labels(app):
    return [each.proto.label for each in app.get("download_button")]


def test_what_is_there_is_offered_and_nothing_else(open_page, made):
    app = open_page("report", runs="a")
    assert not app.exception
    assert labels(app) == ["HTML", "PDF", "bins"]
    assert "Made just now" in text(app)
    assert not app.warning


def test_a_report_that_is_older_than_the_run_says_so(open_page, made):
    old = time.time() - 7200
    os.utime(made.path / "report" / "report.html", (old, old))
    app = open_page("report", runs="a")
    told = app.warning[0].value.replace("\\", "")
    assert "older than evaluation.json, predictions.npz" in told


def test_no_link_leads_out_of_the_folder(open_page, made, tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    (made.path / "report" / "report.json").symlink_to(secret)
    (made.path / "report" / "tables" / "x.csv").symlink_to(secret)
    assert labels(open_page("report", runs="a")) == ["HTML", "PDF", "bins"]
    assert not is_within(made.path / "report" / "report.json", made.path / "report")


def test_the_preview_cannot_reach_the_dashboard():
    text = framed('<script>alert("1")</script>')
    assert 'sandbox="allow-scripts allow-popups"' in text
    assert "allow-same-origin" not in text
    assert "<script>" not in text
    assert "&lt;script&gt;alert(&quot;1&quot;)" in text

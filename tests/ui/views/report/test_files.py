"""Tests of `ui/views/report/files.py`."""

import os
import time

import pytest

from tests.ui import fakes
from tests.ui.seen import text
from trainers.runs import RunError
from ui.views.report.files import content, framed, is_ours


@pytest.fixture
def made(root):
    """A run with a report of another program's making."""
    run = fakes.write_run(root, "a", evaluated=True)
    (run.path / "report" / "tables").mkdir(parents=True)
    (run.path / "report" / "report.html").write_text("<script>parent.x = 1</script>")
    (run.path / "report" / "report.pdf").write_bytes(b"%PDF")
    (run.path / "report" / "tables" / "*bins*.csv").write_text("a\n1\n")
    return run


def labels(app):
    return [each.proto.label for each in app.get("download_button")]


def test_what_is_there_is_offered_and_nothing_else(open_page, made):
    app = open_page("report", runs="a")
    assert not app.exception
    assert labels(app) == ["HTML", "PDF", r"\*bins\*"]
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
    assert labels(open_page("report", runs="a")) == ["HTML", "PDF", r"\*bins\*"]
    file, folder = made.path / "report" / "report.json", made.path / "report"
    assert not is_ours(file, folder)
    with pytest.raises(RunError, match="must be a file of this report"):
        content(file, folder)


def test_a_linked_report_or_folder_is_not_shown(open_page, made, tmp_path):
    report = made.path / "report"
    (report / "report.html").unlink()
    (tmp_path / "secret").write_text("root:x:0")
    (report / "report.html").symlink_to(tmp_path / "secret")
    app = open_page("report", runs="a")
    assert labels(app) == []
    report.rename(tmp_path / "elsewhere")
    report.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "report.html").unlink()
    (tmp_path / "elsewhere" / "report.html").write_text("root:x:0")
    assert labels(open_page("report", runs="a")) == []


def test_a_report_in_another_encoding_is_shown_as_far_as_it_goes(open_page, made):
    (made.path / "report" / "report.html").write_bytes(b"\xff\xfe<h1>x</h1>")
    app = open_page("report", runs="a")
    assert not app.exception
    assert labels(app) == ["HTML", "PDF", r"\*bins\*"]


def test_the_preview_cannot_reach_the_dashboard():
    text = framed('<script>alert("1")</script>')
    assert 'sandbox="allow-scripts allow-popups"' in text
    assert "allow-same-origin" not in text
    assert "<script>" not in text
    assert "&lt;script&gt;alert(&quot;1&quot;)" in text

"""Tests of the PDF, by either renderer."""

import logging
import os
import re
import stat

import pytest

from calibration.definitions import MEASURES
from calibration.report.chromium import VARIABLE, find_chromium
from calibration.report.pages.book import RENDERER
from calibration.report.pdf import write_pdf
from tests.calibration.report.examples import bare_report, example_report
from tests.calibration.report.test_chromium import browser


def pages(content):
    return len(re.findall(rb"/Type\s*/Page[^s]", content))


def test_without_a_browser_matplotlib_draws_it(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv(VARIABLE, "none")
    path = tmp_path / "report.pdf"
    with caplog.at_level(logging.WARNING):
        assert write_pdf(bare_report(), MEASURES, path) == RENDERER
    content = path.read_bytes()
    assert content.startswith(b"%PDF")
    assert pages(content) > 2
    assert RENDERER.split()[1].encode() in content  # its metadata name its maker
    assert list(tmp_path.iterdir()) == [path]
    assert caplog.text == ""


def test_a_browser_that_hangs_is_no_reason_to_have_no_pdf(
    tmp_path, monkeypatch, caplog
):
    script = '[ "$1" = --version ] && echo Chromium 1.2.3 || sleep 300'
    monkeypatch.setenv(VARIABLE, browser(tmp_path, script))
    path = tmp_path / "report.pdf"
    assert write_pdf(bare_report(), MEASURES, path, timeout=0.5) == RENDERER
    assert pages(path.read_bytes()) > 2
    assert "it took more than 0.5 s; matplotlib draws the PDF" in caplog.text


def test_an_interruption_leaves_the_old_file(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setenv(VARIABLE, "none")
    path = tmp_path / "report.pdf"
    path.write_text("old")
    monkeypatch.setattr(os, "fdopen", interrupted)
    monkeypatch.setattr("calibration.report.pdf._drawn", lambda *_: (b"new", ""))
    with pytest.raises(KeyboardInterrupt):
        write_pdf(bare_report(), MEASURES, path)
    assert [each.name for each in tmp_path.iterdir()] == ["report.pdf"]
    assert path.read_text() == "old"


def test_others_may_read_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "none")
    monkeypatch.setattr("calibration.report.pdf._drawn", lambda *_: (b"new", ""))
    path = tmp_path / "report.pdf"
    write_pdf(bare_report(), MEASURES, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.browser
@pytest.mark.slow
def test_a_real_browser_prints_it(tmp_path):
    if find_chromium() is None:
        pytest.skip("No Chromium was found.")
    path = tmp_path / "report.pdf"
    renderer = write_pdf(example_report(2), MEASURES, path)
    assert re.fullmatch(r"[A-Z][A-Za-z ]+ [\d.]+", renderer)
    assert not renderer.startswith("matplotlib")
    content = path.read_bytes()
    assert 10 < pages(content) < 40
    assert len(content) > 200_000
    assert list(tmp_path.iterdir()) == [path]

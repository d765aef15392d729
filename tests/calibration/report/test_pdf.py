"""Tests of the PDF, by either renderer."""

import logging
import re
from dataclasses import replace

import pytest

from calibration.report import pdf
from calibration.report.chromium import VARIABLE, find_chromium
from calibration.report.pages.book import RENDERER
from calibration.report.pdf import render_pdf
from tests.calibration.report.examples import bare_report, example_report
from tests.calibration.report.test_chromium import browser


def pages(content):
    return len(re.findall(rb"/Type\s*/Page[^s]", content))


def test_without_a_browser_matplotlib_draws_it(monkeypatch, caplog):
    monkeypatch.setenv(VARIABLE, "none")
    with caplog.at_level(logging.WARNING):
        content, renderer = render_pdf(bare_report(classes=[]))
    assert renderer == RENDERER
    assert content.startswith(b"%PDF")
    assert pages(content) > 2
    assert RENDERER.split()[1].encode() in content  # its metadata name its maker
    assert caplog.text == ""


def test_a_browser_that_hangs_is_no_reason_to_have_no_pdf(
    tmp_path, monkeypatch, caplog
):
    script = '[ "$1" = --version ] && echo Chromium 1.2.3 || sleep 300'
    monkeypatch.setenv(VARIABLE, browser(tmp_path, script))
    monkeypatch.setattr(pdf, "_drawn", lambda report: (b"drawn", report.title))
    report = replace(bare_report(), title="mine")
    assert render_pdf(report, timeout=0.5) == (b"drawn", "mine")
    assert "it took more than 0.5 s; matplotlib draws the PDF" in caplog.text


@pytest.mark.browser
@pytest.mark.slow
def test_a_real_browser_prints_it():
    if find_chromium() is None:
        pytest.skip("No Chromium was found.")
    content, renderer = render_pdf(example_report(2))
    assert re.fullmatch(r"[A-Z][A-Za-z ]+ [\d.]+", renderer)
    assert not renderer.startswith("matplotlib")
    assert 10 < pages(content) < 40
    assert len(content) > 200_000

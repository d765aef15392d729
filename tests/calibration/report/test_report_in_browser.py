"""The report in a real Chromium, without a network."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from playwright import sync_api

from calibration.report.html import render_html
from tests.calibration.report.examples import bare_report, example_model, example_report
from tests.ui.chromium import SWITCHES, chromium

pytestmark = [pytest.mark.browser, pytest.mark.slow]
EVIL = "<script>window.ran = 1</script><b>"
DRAWN = """() => [...document.querySelectorAll('[data-chart]')].filter(
  (node) => node.querySelectorAll('.main-svg').length > 0
    && node.querySelectorAll('.trace, .point, .bars').length > 0).length"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = chromium()
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=SWITCHES)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_html(bare_report(classes=[])), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    # With names that would do harm if they were taken for tags.
    model = replace(example_model(0), name=EVIL)
    report = replace(
        example_report(2), models=[model, example_model(1)], comparisons=[]
    )
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_html(report), encoding="utf-8")
    return path


@pytest.fixture
def visit(browser):
    """A page, and all it complained of or asked for."""
    opened = []

    def open_page(path, **settings):
        page = browser.new_page(**settings)
        opened.append(page)
        page.seen = []
        page.on("console", lambda message: page.seen.append(message.text))
        page.on("pageerror", lambda error: page.seen.append(str(error)))
        page.on("request", lambda request: page.seen.append(request.url))
        page.goto(path.as_uri())
        page.seen = [
            each for each in page.seen if not each.startswith(("data:", path.as_uri()))
        ]
        return page

    yield open_page
    for page in opened:
        page.close()


def test_it_opens_offline_and_draws_every_figure(visit, whole):
    page = visit(whole)
    figures = page.locator("figure").count()
    assert figures > 20
    assert page.evaluate(DRAWN) == figures
    assert page.seen == []
    assert page.evaluate("() => window.ran") is None
    assert page.get_by_role("heading", name=EVIL).count() > 1


def test_it_follows_the_theme(visit, small):
    page = visit(small, color_scheme="light")
    read = """() => [getComputedStyle(document.body).backgroundColor,
      document.querySelector('[data-chart]')._fullLayout.font.color]"""
    assert page.evaluate(read) == ["rgb(255, 255, 255)", "#1B2733"]
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"() => ({read})()[1] === '#E4EAF0'")  # drawn again
    assert page.evaluate(read) == ["rgb(16, 22, 29)", "#E4EAF0"]
    again = visit(small, color_scheme="dark")
    assert again.evaluate(read) == ["rgb(16, 22, 29)", "#E4EAF0"]


def test_nothing_is_wider_than_the_screen(visit, whole):
    page = visit(whole, viewport={"width": 1280, "height": 800})
    cut = """() => [...document.querySelectorAll('h1, h2, p, li, figcaption')].filter(
      (node) => !node.closest('nav') && node.scrollWidth > node.clientWidth + 1
    ).length"""
    for width in (1280, 768, 360):
        page.set_viewport_size({"width": width, "height": 800})
        # Charts follow a moment later.
        fits = "width => document.documentElement.scrollWidth === width"
        page.wait_for_function(fits, arg=width)
        assert page.evaluate(cut) == 0


def test_words_of_the_origin_stay_whole_on_a_phone(visit, whole):
    page = visit(whole, viewport={"width": 390, "height": 800})
    cells = page.locator(".even td")
    widths = [cells.nth(i).bounding_box()["width"] for i in range(cells.count())]
    assert min(widths) > 170
    font = "() => getComputedStyle(document.querySelector('td .detail')).display"
    assert page.evaluate(font) == "block"


def test_on_paper_it_is_light_and_has_no_contents(visit, small):
    page = visit(small, color_scheme="dark")
    page.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    read = "() => document.querySelector('[data-chart]')._fullLayout.font.color"
    assert page.evaluate(read) == "#1B2733"
    page.emulate_media(media="screen")
    page.evaluate("() => window.dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(read) == "#E4EAF0"

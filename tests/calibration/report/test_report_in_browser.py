"""The report in a real Chromium, without a network."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from playwright import sync_api

from calibration.definitions import MEASURES
from calibration.report.html import render_html
from tests.calibration.report.examples import example_model, example_report
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
def path(tmp_path_factory):
    # With names that would do harm if they were taken for tags.
    model = replace(example_model(0), name=EVIL)
    report = replace(
        example_report(2), models=[model, example_model(1)], comparisons=[]
    )
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_html(report, MEASURES), encoding="utf-8")
    return path


@pytest.fixture
def visit(browser, path):
    """A page, and all it complained of or asked for."""
    opened = []

    def open_page(**settings):
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


def test_it_opens_offline_and_draws_every_figure(visit):
    page = visit()
    figures = page.locator("figure").count()
    assert figures > 20
    assert page.evaluate(DRAWN) == figures
    assert page.seen == []
    assert page.evaluate("() => window.ran") is None
    assert page.get_by_role("heading", name=EVIL).count() > 1


def test_it_follows_the_theme(visit):
    colors = [
        visit(color_scheme=scheme).evaluate(
            """() => [getComputedStyle(document.body).backgroundColor,
              document.querySelector('[data-chart]')._fullLayout.font.color]"""
        )
        for scheme in ("light", "dark")
    ]
    assert colors == [
        ["rgb(255, 255, 255)", "#1B2733"],
        ["rgb(16, 22, 29)", "#E4EAF0"],
    ]


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_screen(visit, width):
    page = visit(viewport={"width": width, "height": 800})
    assert page.evaluate("() => document.documentElement.scrollWidth") == width
    cut = """() => [...document.querySelectorAll('h1, h2, p, li, figcaption')].filter(
      (node) => !node.closest('nav') && node.scrollWidth > node.clientWidth + 1
    ).length"""
    assert page.evaluate(cut) == 0


def test_on_paper_it_is_light_and_has_no_contents(visit):
    page = visit(color_scheme="dark")
    page.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    read = "() => document.querySelector('[data-chart]')._fullLayout.font.color"
    assert page.evaluate(read) == "#1B2733"
    page.emulate_media(media="screen")
    page.evaluate("() => window.dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(read) == "#E4EAF0"

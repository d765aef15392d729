"""Every page for those who use a keyboard or a screen reader, or see little contrast.

axe-core checks the rules of WCAG 2.1 AA that a program can check, in both themes; the
keyboard is tried by hand.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright import sync_api

from tests.ui import fakes
from tests.ui.chromium import SWITCHES, chromium, serving, until, visiting
from ui.views.run.page import TABS

pytestmark = [pytest.mark.browser, pytest.mark.slow]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
# Marks of the small charts within Streamlit's own metrics, which nobody can name.
THEIRS = [".vega-embed"]
PLACES = [
    "/",
    "/runs",
    "/compare?runs=a,b",
    "/optimizer",
    "/report?runs=a",
    *(f"/system?system={tab}" for tab in ("Machine", "Job engine", "Settings")),
    *(f"/run?run=a&tab={tab}" for tab in TABS),
    "/run?run=points&tab=Uncertainty maps",
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    runs = tmp_path_factory.mktemp("runs")
    fakes.write_run(runs, "a", evaluated=True)
    fakes.write_run(runs, "b", optimizer="adamw", evaluated=True)
    fakes.write_run(runs, "points", dataset="moons", evaluated=True)
    with serving(runs, slots=1) as server:
        yield server.address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = chromium()
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=SWITCHES)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def page(browser: Any, address: str) -> Iterator[Any]:
    """One window for all places, which has the scripts of the page at hand."""
    with visiting(browser, address) as opened:
        yield opened


def opened(page: Any, place: str) -> None:
    """Open a page and wait until it stands still."""
    page.goto(place)
    page.get_by_test_id("stMainBlockContainer").wait_for()
    page.locator("[data-test-script-state=notRunning]").wait_for()
    page.wait_for_timeout(300)


def told(violation: dict[str, Any]) -> str:
    nodes = [f"    {node['html'][:200]}" for node in violation["nodes"][:3]]
    return "\n".join([f"{violation['id']}: {violation['help']}", *nodes])


@pytest.mark.parametrize("place", PLACES)
def test_a_page_breaks_no_rule_that_a_program_can_check(page, place):
    page.emulate_media(color_scheme="light")
    opened(page, place)
    found = broken(page, RULES)
    for chart in page.locator(".vogn-plot").all():
        words = chart.get_attribute("aria-label") or ""
        assert len(words.split()) > 3, words
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(300)
    found += broken(page, ["color-contrast"])
    assert not found, "\n".join(found)


def broken(page: Any, rules: Sequence[str]) -> list[str]:
    result = Axe().run(
        page,
        context={"exclude": [[each] for each in THEIRS]},
        options={"runOnly": list(rules)},
    )
    return [told(each) for each in result.response["violations"]]


def test_a_run_is_launched_and_a_tab_opened_by_keyboard_alone(browser, address):
    with visiting(browser, address) as page:
        opened(page, "/")
        reached = []
        for _ in range(80):
            page.keyboard.press("Tab")
            script = (
                "document.activeElement.innerText || document.activeElement.ariaLabel"
            )
            reached.append((page.evaluate(script) or "").strip())
            until(lambda: page.evaluate(FOCUS), f"the focus on {reached[-1]!r} is seen")
            if reached[-1].endswith("Launch") and len(reached) > 10:
                break
        assert any("Runs" in each for each in reached)
        page.keyboard.press("Enter")
        page.wait_for_url("**/run?run=*")
        opened(page, "/run?run=a")
        page.get_by_role("tab", name="Convergence").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        page.wait_for_url("**tab=Calibration**")


# Whether the focused element, or what stands around it, is drawn differently.
FOCUS = """() => {
  let node = document.activeElement;
  for (let k = 0; node && k < 5; k++, node = node.parentElement) {
    const style = getComputedStyle(node);
    if (style.outlineStyle !== "none" && style.outlineWidth !== "0px") return true;
    if (style.boxShadow !== "none") return true;
  }
  return false;
}"""

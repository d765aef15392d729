"""A browser window on the list of runs, and the times that it measures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

SETTLING = 700  # milliseconds between two actions
WATCH = Path(__file__).with_name("dashboard_speed.js")


class Visitor:
    """A browser window, and the times that it measured.

    Args:
        browser: Chromium.
        address: The dashboard's.
    """

    def __init__(self, browser: Any, address: str) -> None:
        self._context = browser.new_context(
            base_url=address, viewport={"width": 1400, "height": 900}
        )
        self._context.set_default_timeout(120_000)
        self._context.add_init_script(path=str(WATCH))
        self.page = self._context.new_page()

    def close(self) -> None:
        """Close the window."""
        self._context.close()

    def arrive(self) -> float:
        """Seconds from the navigation to the table."""
        self.page.goto("/runs")
        return self._seen()

    def act(self, action: Callable[[Any], None]) -> float:
        """Seconds from a click or key to the changed table."""
        self.page.evaluate("window.watched.arm()")
        action(self.page)
        return self._seen()

    def settle(self) -> None:
        """Wait until nothing is drawn any more."""
        self.page.wait_for_timeout(SETTLING)

    def _seen(self) -> float:
        self.page.wait_for_function("window.watched.seconds !== null")
        return float(self.page.evaluate("window.watched.seconds"))


def click_state(page: Any) -> None:
    """Choose a state, or leave it."""
    page.get_by_role("radio", name="Failed").click()


def search(page: Any) -> None:
    """Type a word, or take it away."""
    field = page.get_by_role("searchbox", name="Search")
    field.fill("" if field.input_value() else "moons")
    field.press("Enter")


def click_archive(page: Any) -> None:
    """Choose the archive, or leave it."""
    page.get_by_text("Archived (").click()


FILTERS = {"state": click_state, "search": search, "archive": click_archive}

"""The tab of what the run printed."""

from trainers.status import ALIVE
from ui.components.reading import Summary
from ui.views.run.details import details


def render(view: Summary) -> None:
    """Show it."""
    details(view.run, view.config, view.state in ALIVE)

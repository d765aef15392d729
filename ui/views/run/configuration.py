"""The tab of the run's settings and the command that repeats it."""

from trainers.status import ALIVE
from ui.components.reading import Summary
from ui.views.run.details import details


def render(view: Summary) -> None:
    """Show it."""
    details(view.run, view.config, view.state in ALIVE)

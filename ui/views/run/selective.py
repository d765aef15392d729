"""The tab of how far rejecting unsure predictions helps."""

from ui.components.reading import Summary
from ui.views.run.evaluated import evaluated


def render(view: Summary) -> None:
    """Show it."""
    evaluated(view, "This")

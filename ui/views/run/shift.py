"""The tab of what corrupted inputs do to the network."""

from ui.components.reading import Summary
from ui.views.run.evaluated import evaluated


def render(view: Summary) -> None:
    """Show it."""
    evaluated(view, "This")

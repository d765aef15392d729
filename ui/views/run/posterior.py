"""The tab of what the posterior says of each layer."""

from ui.components.reading import Summary
from ui.views.run.evaluated import evaluated


def render(view: Summary) -> None:
    """Show it."""
    evaluated(view, "This")

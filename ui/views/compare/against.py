"""The tab of results against a setting: the picture of a sweep or a study."""

from ui.components.against import against
from ui.views.compare.comparison import Comparison


def render(comparison: Comparison) -> None:
    """Show it, for all runs that were chosen, also those beyond the entries."""
    against(comparison.views, "compare-against")

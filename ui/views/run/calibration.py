"""The tab that asks whether the network is right as often as it says."""

from collections.abc import Mapping
from typing import Any

from trainers.runs import Run
from ui.components.formats import count, decimal
from ui.components.plot import panel
from ui.components.reading import Summary
from ui.views.run.evaluated import evaluated
from ui.views.run.reliability import reliability_alt, reliability_figure


def render(view: Summary) -> None:
    """Show the reliability diagram."""
    content = evaluated(view, "Calibration")
    if content is not None:
        _reliability(view.run, content)


def _reliability(run: Run, content: Mapping[str, Any]) -> None:
    bins, metrics = content["reliability"]["bins"], content["metrics"]
    panel(
        "Reliability",
        reliability_figure(bins),
        key="reliability",
        alt=reliability_alt(bins, metrics["ece"]),
        note=f"When it is 80 % sure, is it right 8 times in 10? ECE "
        f"{decimal(metrics['ece'], 4)} over {content['reliability']['num_bins']} bins, "
        f"{count(content['num_examples'])} test examples. Dots below the dotted line "
        "are overconfident.",
        revision=run.id,
    )

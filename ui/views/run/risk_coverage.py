"""The risk-coverage curve: the errors that remain when the unsure are refused."""

from collections.abc import Sequence

from calibration import Estimate, RiskCoverageCurve
from ui.components.figure import IN_COLOR, MUTED, PERCENT, Figure, axis, figure, line

HEIGHT = 400


def risk_coverage_figure(
    curve: RiskCoverageCurve,
    band: Sequence[tuple[float, Estimate]],
    points: Sequence[tuple[str, float, float]] = (),
) -> Figure:
    """Draw the risk among the accepted examples against their share.

    Args:
        curve: The curve, with that of an oracle and of a random choice.
        band: Coverages and the risk at each, whose intervals are the band.
        points: What stands out: name, coverage and risk.
    """
    coverage = curve.coverage.tolist()
    ends = [each.high for _, each in band]
    top = max([curve.random, *curve.risk.tolist(), *ends]) * 1.08 or 0.01
    traces = [
        _edge(band, [each.low for _, each in band], "Lower end", filled=False),
        _edge(band, ends, "95 % interval", filled=True),
        _reference("Random choice", [coverage[0], 1], [curve.random] * 2, "dot"),
        _reference("Oracle: errors first", coverage, curve.oracle.tolist(), "dash"),
        line(
            "Risk", coverage, curve.risk.tolist(), IN_COLOR,
            hovertemplate="Answering %{x:.1%}: %{y:.2%} errors<extra></extra>",
        ),
    ]  # fmt: skip
    for k, (name, x, y) in enumerate(points):
        traces.append({
            "type": "scatter", "mode": "markers", "name": name, "x": [x], "y": [y],
            "marker": {
                "color": ("@2", "@3")[k % 2], "size": 12,
                "line": {"color": "@panel", "width": 2},
            },
            "hovertemplate": f"{name}: %{{x:.1%}}, %{{y:.2%}}<extra></extra>",
        })  # fmt: skip
    built = figure(
        traces,
        x=axis("Coverage: share of the examples answered", tickformat=PERCENT,
               range=[-0.01, 1.015]),
        y=axis("Risk: errors among the answered", tickformat=PERCENT,
               range=[-0.02 * top, top]),
        height=HEIGHT,
    )  # fmt: skip
    built["layout"]["legend"]["traceorder"] = "normal"  # fills would turn it round
    return built


def _edge(
    band: Sequence[tuple[float, Estimate]],
    values: Sequence[float],
    name: str,
    *,
    filled: bool,
) -> dict[str, object]:
    places = [coverage for coverage, _ in band]
    drawn = line(name, places, values, IN_COLOR, width=0, hoverinfo="skip")
    drawn["showlegend"] = filled
    if filled:
        drawn |= {"fill": "tonexty", "fillcolor": f"{IN_COLOR}/0.15"}
    return drawn


def _reference(
    name: str, x: Sequence[float], y: Sequence[float], dash: str
) -> dict[str, object]:
    drawn = line(name, x, y, MUTED, hoverinfo="skip")
    drawn["line"] = {"color": MUTED, "width": 1.5, "dash": dash}
    return drawn

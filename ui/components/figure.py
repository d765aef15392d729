"""The common ground of all figures: plain data in Plotly's format, colours by role.

A colour is "@1" ... "@8" (the theme's series), "@text", "@grid" or "@panel", with an
opacity after a slash, as in "@1/0.3"; "@sequential" is a colour scale. The browser
resolves them (`plot.js`), so one figure serves the light and the dark theme.
"""

from collections.abc import Sequence
from typing import Any, TypedDict

IN_COLOR, OUT_COLOR = "@1", "@2"  # training and in distribution; validation and out
MUTED = "@text/0.65"
PERCENT = ".3~p"  # 60% or 63.5%: whole percents would repeat on a narrow range


class Figure(TypedDict):
    """Traces and layout, as `Plotly.react` takes them."""

    data: list[dict[str, Any]]
    layout: dict[str, Any]


def axis(title: str = "", **options: Any) -> dict[str, Any]:
    """A quiet axis: faint grid, no frame, its title in muted ink."""
    return {
        "title": {"text": title, "font": {"size": 12, "color": MUTED}, "standoff": 8},
        "gridcolor": "@grid/0.7",
        "linecolor": "@grid",
        "zeroline": False,
        "tickfont": {"size": 11, "color": MUTED},
        "automargin": True,
        **options,
    }


def figure(
    data: Sequence[dict[str, Any]],
    *,
    x: dict[str, Any],
    y: dict[str, Any],
    height: int = 280,
    **options: Any,
) -> Figure:
    """Put traces on axes.

    Args:
        data: Traces.
        x: The horizontal axis.
        y: The vertical axis.
        height: In pixels.
        **options: Further keys of Plotly's layout.

    Returns:
        The figure, with a legend above the axes where there are two names or more.
    """
    names = [trace for trace in data if trace.get("showlegend") is not False]
    layout = {
        "xaxis": x,
        "yaxis": y,
        "height": height,
        "margin": {"l": 8, "r": 12, "t": 30 if len(names) > 1 else 10, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"size": 12, "color": "@text"},
        "showlegend": len(names) > 1,
        "legend": {
            "orientation": "h", "x": 0, "xanchor": "left", "y": 1.01,
            "yanchor": "bottom", "font": {"size": 12}, "bgcolor": "rgba(0,0,0,0)",
        },
        "hoverlabel": {
            "bgcolor": "@panel", "bordercolor": "@grid", "font": {"color": "@text"},
        },
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": MUTED, "activecolor": "@1"},
        "dragmode": "zoom",
        **options,
    }  # fmt: skip
    return {"data": list(data), "layout": layout}


def line(
    name: str,
    steps: Sequence[float],
    values: Sequence[float | None],
    color: str,
    *,
    markers: bool = False,
    width: float = 2,
    **options: Any,
) -> dict[str, Any]:
    """A line over steps, with a dot a value if `markers`."""
    return {
        "type": "scatter",
        "mode": "lines+markers" if markers else "lines",
        "name": name,
        "x": list(steps),
        "y": list(values),
        "line": {"color": color, "width": width},
        "marker": {"color": color, "size": 6},
        **options,
    }

"""Posterior health: how wide the posterior is, layer by layer."""

from calibration.report.chart import Axis, Bars, Chart, Panel
from calibration.report.data import LayerRow, ModelReport
from calibration.report.document import (
    Block,
    Cell,
    Column,
    Figure,
    Figures,
    Section,
    Table,
    Text,
)
from calibration.report.formats import (
    MISSING,
    compact,
    count,
    counted,
    listed,
    shortened,
)
from calibration.report.sections.context import Context

MAX_LABELS = 32


def posterior_health(context: Context) -> Section | None:
    """The section, if any model has a posterior over its parameters."""
    models = [model for model in context.models if model.posterior]
    if not models:
        return None
    blocks: list[Block] = [
        Text(
            "A layer whose signal-to-noise ratio is far below 1 is mostly noise and "
            "could be pruned; a divergence from the prior near 0 means that the data "
            "taught the layer nothing."
        )
    ]
    for model in models:
        blocks += context.heading(model)
        blocks.append(Figures(items=[_figure(context, model)]))
        blocks.append(_table(model.posterior))
    missing = context.without(models)
    if missing:
        blocks.append(Text(f"No posterior is known of {listed(missing)}.", quiet=True))
    return Section(slug="posterior", title="Posterior health", blocks=blocks)


def _figure(context: Context, model: ModelReport) -> Figure:
    layers, color = model.posterior, context.look(model).color
    panels = [
        _panel("Deviation", [row.deviation for row in layers], color),
        _panel("Signal to noise", [row.signal_to_noise for row in layers], color),
    ]
    if any(row.kl is not None for row in layers):
        panels.append(_panel("KL, in nats", [row.kl for row in layers], color))
    step = -(-len(layers) // MAX_LABELS)
    ticks = {
        float(index): shortened(row.name, 18)
        for index, row in enumerate(layers)
        if index % step == 0
    }
    x = Axis(title="Layer", low=-0.6, high=len(layers) - 0.4, ticks=ticks)
    return Figure(
        title="Layer by layer, from input to output",
        chart=Chart(panels=panels, x=x, height=150 * len(panels) + 120, legend=False),
        alt=_told(model.name, layers),
    )


def _panel(title: str, values: list[float] | list[float | None], color: str) -> Panel:
    known = [(index, value) for index, value in enumerate(values) if value is not None]
    bars = Bars(
        name=title,
        x=[index for index, _ in known],
        widths=[0.7] * len(known),
        heights=[value for _, value in known],
        color=color,
        opacity=0.8,
    )
    return Panel(marks=[bars], y=Axis(title=title, low=0))


def _told(name: str, layers: list[LayerRow]) -> str:
    widest = max(layers, key=lambda row: row.deviation)
    noisiest = min(layers, key=lambda row: row.signal_to_noise)
    return (
        f"Posterior of {name} in {counted(len(layers), 'layer')}. The widest is "
        f"{widest.name} with a mean deviation of {compact(widest.deviation)}; the "
        f"noisiest is {noisiest.name} with a signal-to-noise ratio of "
        f"{compact(noisiest.signal_to_noise)}."
    )


def _table(layers: list[LayerRow]) -> Table:
    rows = [
        [
            Cell(text=row.name),
            Cell(text=count(row.num_parameters)),
            Cell(text=compact(row.deviation)),
            Cell(text=compact(row.signal_to_noise)),
            Cell(text=MISSING if row.kl is None else compact(row.kl)),
        ]
        for row in layers
    ]
    columns = [
        Column(text="Layer", words=True),
        Column(text="Parameters", note="with noise"),
        Column(text="Deviation", note="mean"),
        Column(text="Signal to noise", note="median of |mean| / deviation"),
        Column(text="KL from the prior", note="in nats"),
    ]
    return Table(caption="The posterior of each layer", columns=columns, rows=rows)

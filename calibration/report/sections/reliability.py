"""Confidence against accuracy, model by model and all in one."""

from collections.abc import Sequence

from calibration.report.chart import Axis, Bars, Chart, Line, Panel
from calibration.report.colors import Look
from calibration.report.data import Bin, ModelReport
from calibration.report.document import Block, Figure, Figures, Heading, Section, Text
from calibration.report.formats import count, counted, percent
from calibration.report.sections.context import Context, columns_of

FEW = 3  # models whose error bars can be told apart in one figure


def reliability(context: Context) -> Section:
    """Each model's diagram, then the same question asked in two other ways."""
    models = context.models
    diagrams = [_diagram(context, model) for model in models]
    blocks: list[Block] = [
        Text(
            "A calibrated model is right as often as it says: its points lie on the "
            "dotted line. Bars from the line to a point show the gap; error bars are "
            "95 % Wilson intervals. Bins without examples are left out."
        ),
        Figures(items=diagrams, columns=columns_of(len(models))),
        Heading(text="The same with other bins"),
        Figures(items=_others(context), columns=2),
    ]
    return Section(slug="reliability", title="Reliability", blocks=blocks)


def start_of(groups: Sequence[Sequence[Bin]]) -> float:
    """Where the axis of confidence starts: an empty left half tells nothing."""
    lowest = min((item.lower for bins in groups for item in bins), default=0.0)
    return max(0.0, lowest)


def confidence_axis(start: float, title: str = "Confidence") -> Axis:
    """The axis of confidence, with room for the points at its ends."""
    margin = 0.02 * (1 - start)
    return Axis(title=title, low=start - margin, high=1 + margin, percent=True)


def diagonal(start: float) -> Line:
    """Where confidence and accuracy agree."""
    return Line(
        name="Perfect calibration", x=[start, 1], y=[start, 1], color="muted",
        dash="dot", width=1.5,
    )  # fmt: skip


def curve(name: str, bins: Sequence[Bin], look: Look, errors: bool = True) -> Line:
    """Accuracy over confidence, with Wilson's intervals if wanted."""
    return Line(
        name=name,
        x=[item.confidence for item in bins],
        y=[item.accuracy for item in bins],
        low=[item.accuracy_low for item in bins] if errors else (),
        high=[item.accuracy_high for item in bins] if errors else (),
        color=look.color,
        dash=look.dash,
        symbol=look.symbol,
    )


def counts(name: str, bins: Sequence[Bin], color: str) -> Bars:
    """How many examples each bin holds."""
    return Bars(
        name=name,
        x=[(item.lower + item.upper) / 2 for item in bins],
        widths=[0.92 * (item.upper - item.lower) for item in bins],
        heights=[item.count for item in bins],
        color=color,
        opacity=0.55,
        legend=False,
    )


def told(name: str, bins: Sequence[Bin], noun: str = "prediction") -> str:
    """A diagram in a sentence, for who cannot see it."""
    if not bins:
        return f"{name}: no bin holds an example."
    total = sum(item.count for item in bins)
    over = sum(each.count for each in bins if each.confidence > each.accuracy_high)
    # A wide gap of a few examples is chance; what counts is gap times examples.
    worst = max(bins, key=lambda b: b.count * abs(b.confidence - b.accuracy))
    gap = 100 * abs(worst.confidence - worst.accuracy)
    side = "over" if worst.confidence > worst.accuracy else "under"
    within = worst.accuracy_low <= worst.confidence <= worst.accuracy_high
    chance = ", which may be chance" if within else ""
    return (
        f"{name}: {counted(total, noun)} in {counted(len(bins), 'bin')}, "
        f"{percent(over / total, 0)} of them in bins whose confidence is above "
        "the interval of their accuracy. The bin that "
        f"matters most holds {count(worst.count)} at {percent(worst.confidence)} mean "
        f"confidence and is {gap:.1f} points {side}confident{chance}."
    )


def _diagram(context: Context, model: ModelReport) -> Figure:
    bins = model.reliability.equal_width
    look = context.look(model)
    start = start_of([m.reliability.equal_width for m in context.models])
    gaps = Bars(
        name="Gap to confidence",
        x=[(item.lower + item.upper) / 2 for item in bins],
        widths=[0.92 * (item.upper - item.lower) for item in bins],
        heights=[item.accuracy - item.confidence for item in bins],
        bases=[item.confidence for item in bins],
        color="gap",
        opacity=0.25,
    )
    upper = Panel(
        marks=[diagonal(start), gaps, curve("Accuracy, 95 % interval", bins, look)],
        y=Axis(title="Accuracy", low=0, high=1.02, percent=True),
        share=3,
    )
    lower = Panel(
        marks=[counts("Examples", bins, look.color)], y=Axis(title="Examples", low=0)
    )
    x = confidence_axis(start)
    return Figure(
        title=model.name if context.several else "Bins of equal width",
        chart=Chart(panels=[upper, lower], x=x, height=460),
        alt=told(f"Reliability diagram of {model.name}", bins),
    )


def _others(context: Context) -> list[Figure]:
    masses = {model.name: model.reliability.equal_mass for model in context.models}
    classes = {m.name: m.reliability.confidence_wise for m in context.models}
    return [
        overlay(
            context,
            masses,
            title="Bins of equally many examples",
            x="Confidence",
            y="Accuracy",
        ),
        overlay(
            context,
            classes,
            title="Every class's probability",
            x="Probability of a class",
            y="Share of that class",
            noun="probability",
        ),
    ]


def overlay(
    context: Context,
    bins: dict[str, list[Bin]],
    *,
    title: str,
    x: str,
    y: str,
    noun: str = "prediction",
    height: int = 380,
) -> Figure:
    """All models in one diagram; error bars only where they can be told apart."""
    few = len(bins) <= FEW
    start = start_of(list(bins.values()))
    named = {model.name: model for model in context.models}
    curves = [
        curve(name, each, context.look(named[name]), errors=few)
        for name, each in bins.items()
    ]
    panel = Panel(
        marks=[diagonal(start), *curves],
        y=Axis(title=y, low=0, high=1.02, percent=True),
    )
    return Figure(
        title=title,
        chart=Chart(
            panels=[panel],
            x=confidence_axis(start, x),
            height=height,
        ),
        alt=" ".join(told(name, each, noun) for name, each in bins.items()),
        caption="" if few else "A line for each model, without intervals.",
    )

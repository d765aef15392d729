"""Out-of-distribution sets: how well each model tells them from the test set."""

from calibration.report import written
from calibration.report.chart import Axis, Chart, Line, Panel
from calibration.report.data import ModelReport, OodGroup, OodScore, OodSet
from calibration.report.document import (
    Block,
    Cell,
    Column,
    Figure,
    Figures,
    Heading,
    Section,
    Table,
    Text,
)
from calibration.report.formats import count, counted, listed, percent
from calibration.report.sections.context import Context, columns_of
from calibration.report.sections.decisions import middle, shares

Found = list[tuple[ModelReport, OodSet]]
Groups = list[tuple[ModelReport, OodGroup]]
FIELDS = ("auroc", "aupr_out", "aupr_in", "fpr95", "detection_error")


def out_of_distribution(context: Context) -> Section | None:
    """The section, if any model met an OOD set."""
    sets: dict[str, Found] = {}
    for model in context.models:
        for each in model.ood:
            sets.setdefault(each.name, []).append((model, each))
    if not sets:
        return None
    blocks: list[Block] = [
        Text(
            "Examples of a kind that the model was never trained on should look "
            "uncertain to it. Out of distribution is the positive class; a larger "
            "score means more out of distribution."
        )
    ]
    for name, found in sets.items():
        blocks += _set(context, name, found)
    groups = [(model, each) for model in context.models for each in model.ood_groups]
    if any(len(group.members) > 1 for _, group in groups):
        blocks.append(_averages(context, groups))
    return Section(slug="ood", title="Out of distribution", blocks=blocks)


def _set(context: Context, name: str, found: Found) -> list[Block]:
    first = found[0][1]
    distance = f"{first.distance} OOD, " if first.distance else ""
    note = f"{distance}{counted(first.num_examples, 'example')}"
    figures = [_histogram(context, model, each) for model, each in found]
    figures.append(_roc(context, name, found))
    blocks: list[Block] = [
        Heading(text=name, note=note),
        Figures(items=figures, columns=columns_of(len(figures))),
        _table(context, name, found),
    ]
    missing = context.without(model for model, _ in found)
    if missing:
        blocks.append(Text(f"Not measured for {listed(missing)}.", quiet=True))
    return blocks


def _histogram(context: Context, model: ModelReport, each: OodSet) -> Figure:
    inside = shares(
        f"Test set ({count(sum(each.counts_in))})", each.edges, each.counts_in, "good"
    )
    outside = shares(
        f"{each.name} ({count(sum(each.counts_out))})",
        each.edges,
        each.counts_out,
        "bad",
    )
    medians = [middle(each.edges, n) for n in (each.counts_in, each.counts_out)]
    told = [
        "unknown" if median is None else f"about {median:.2f} nats"
        for median in medians
    ]
    y = Axis(title="Share of the set", low=0, percent=True)
    # The headline score need not be an entropy: its name is the axis's.
    title = each.scores[0].title
    return Figure(
        title=f"{model.name}: uncertainty" if context.several else "Uncertainty",
        chart=Chart(
            panels=[Panel(marks=[inside, outside], y=y)],
            x=Axis(title=f"{title}, in nats", low=each.edges[0]),
            height=330,
        ),
        alt=f"{title} of {model.name}: median {told[0]} on the test set, {told[1]} on "
        f"{each.name}.",
    )


def _roc(context: Context, name: str, found: Found) -> Figure:
    chance = Line(
        name="Chance", x=[0, 1], y=[0, 1], color="muted", dash="dot", width=1.5
    )
    curves = [_curve(context, model, each) for model, each in found]
    x = Axis(title="Test examples flagged", low=-0.01, high=1.01, percent=True)
    y = Axis(title="OOD examples found", low=0, high=1.01, percent=True)
    told = " ".join(_told(model.name, each) for model, each in found)
    return Figure(
        title="ROC curve of that score",
        chart=Chart(panels=[Panel(marks=[chance, *curves], y=y)], x=x, height=330),
        alt=f"ROC curves against {name}. {told}",
    )


def _curve(context: Context, model: ModelReport, each: OodSet) -> Line:
    look = context.look(model)
    return Line(
        name=model.name if context.several else "ROC curve",
        x=each.false_positive_rate,
        y=each.true_positive_rate,
        color=look.color,
        dash=look.dash,
        width=2.5,
    )


def _told(name: str, each: OodSet) -> str:
    score = each.scores[0]
    auroc, fpr95 = percent(score.auroc), percent(score.fpr95)
    return f"{name}: AUROC {auroc}, FPR95 {fpr95}."


def _table(context: Context, name: str, found: Found) -> Table:
    rows = [
        [
            *[Cell(text=model.name)] * context.several,
            Cell(text=score.title, strong=index == 0),
            *_cells(score),
        ]
        for model, each in found
        for index, score in enumerate(each.scores)
    ]
    return Table(
        caption=f"Scores that tell {name} from the test set",
        columns=_columns(context),
        rows=rows,
        note="The first score is the one drawn above.",
    )


def _averages(context: Context, found: Groups) -> Table:
    """Near sets together, and far ones."""
    rows = [
        [
            Cell(text=f"{group.name}: {listed(group.members)}"),
            *[Cell(text=model.name)] * context.several,
            Cell(text=score.title),
            *_cells(score),
        ]
        for model, group in found
        for score in group.scores
    ]
    return Table(
        caption="Means over near and over far sets",
        columns=[Column(text="Sets", words=True), *_columns(context)],
        rows=rows,
        note="Intervals are means of the sets' intervals.",
    )


def _columns(context: Context) -> list[Column]:
    return [
        *[Column(text="Model", words=True)] * context.several,
        Column(text="Score", words=True),
        *(written.column(field) for field in FIELDS),
    ]


def _cells(score: OodScore) -> list[Cell]:
    return [written.cell(name, getattr(score, name)) for name in FIELDS]

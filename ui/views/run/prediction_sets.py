"""Conformal sets: classes in place of one, which hold the true one as promised."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from calibration import ConformalReport, Estimate, evaluate_sets
from trainers.runs import Run
from ui.components.estimates import share
from ui.components.figure import IN_COLOR, MUTED, PERCENT, Figure, axis, figure
from ui.components.formats import count, percent, plain
from ui.components.labels import label
from ui.components.latest import Stamp, stamp_of
from ui.components.plot import panel
from ui.views.run.recalibration import halves_of

LEAST, MOST, USUAL = 80, 99, 90  # percent promised
MAX_CLASSES = 30  # drawn
_LONGEST = 20  # characters of a class's name below the axis
ABOUT = {
    "THR": "all classes above one threshold of probability: the smallest sets",
    "APS": "the most probable classes up to one total: they grow with difficulty",
    "RAPS": "as APS, but far-fetched classes cost extra",
}
_COLORS = (IN_COLOR, "@2", "@3")


@dataclass(frozen=True, eq=False)
class Sets:
    """Conformal sets of a run's test examples.

    Args:
        reports: What they are worth, by method.
        sentence: What they were fitted and judged on.
        num_fitted: Examples that set the thresholds.
    """

    reports: Mapping[str, ConformalReport]
    sentence: str
    num_fitted: int


def conformal_sets(run: Run, promised: int) -> Sets | None:
    """Fit each method as the report does; None for too few examples.

    Args:
        run: An evaluated run.
        promised: Percentage of sets that are to hold the true class.

    Raises:
        RunError: If the predictions cannot be read.
    """
    return _sets(str(run.path), stamp_of(run.predictions), promised)


@st.cache_resource(max_entries=32, show_spinner=False)
def _sets(
    path: str,
    stamp: Stamp,  # noqa: ARG001 - part of the cache's key
    promised: int,
) -> Sets | None:
    from calibration.report.measuring.fitted import METHODS

    halves = halves_of(Run(Path(path)))
    if halves is None:
        return None
    reports = {}
    for name, method in METHODS.items():
        sets = method(alpha=(100 - promised) / 100)
        sets.fit(halves.fit, halves.fit_labels)
        reports[name] = evaluate_sets(sets.predict(halves.score), halves.score_labels)
    return Sets(reports, halves.sentence, len(halves.fit_labels))


def sets_table(found: Sets, names: Sequence[str]) -> list[dict[str, str]]:
    """The methods as rows of a table, in Markdown.

    Args:
        found: The sets.
        names: Class names, [C].
    """
    return [_row(name, each, names) for name, each in found.reports.items()]


def _row(name: str, found: ConformalReport, names: Sequence[str]) -> dict[str, str]:
    size = found.mean_size
    worst = found.worst_class_coverage
    index = found.class_coverage.index(worst)
    return {
        "Method": f"**{name}**",
        "Coverage": share(found.coverage),
        "Classes in a set": f"{size:.2f} :small[({size.low:.2f} to {size.high:.2f})]",
        "Worst class": f"{plain(names[index])}: {share(worst)}, {count(worst.count)}",
        "Sets of one": share(found.singletons),
        "Empty sets": share(found.empty),
    }


def sizes_figure(found: Sets) -> Figure:
    """Draw how many sets of each size every method gives."""
    counts = {name: each.size_counts for name, each in found.reports.items()}
    largest = max(int(each.nonzero()[0].max()) for each in counts.values())
    sizes = list(range(largest + 1))
    traces = [
        {
            "type": "bar", "name": name, "x": sizes,
            "y": (each[: largest + 1] / each.sum()).tolist(),
            "customdata": each[: largest + 1].tolist(),
            "marker": {"color": f"{color}/0.75"},
            "hovertemplate": f"{name}: %{{y:.1%}} (%{{customdata:,d}} sets)"
            "<extra></extra>",
        }
        for (name, each), color in zip(counts.items(), _COLORS, strict=True)
    ]  # fmt: skip
    spaced = {"dtick": 1} if largest <= 20 else {}
    return figure(
        traces,
        x=axis("Classes in the set", **spaced),
        y=axis("Share of the sets", tickformat=PERCENT),
        height=320,
        barmode="group",
    )


def classes_figure(
    report: ConformalReport, names: Sequence[str], promised: float
) -> Figure:
    """Draw the coverage of each true class, the worst first.

    Args:
        report: Of one method.
        names: Class names, [C].
        promised: The coverage that is promised on average over all classes.
    """
    known = worst_first(report)[:MAX_CLASSES]
    shown = [label(names[k], _LONGEST) for _, k in known]
    dots = {
        "type": "scatter", "mode": "markers", "name": "Coverage, 95 % interval",
        "x": list(range(len(known))), "y": [float(each) for each, _ in known],
        "error_y": {
            "type": "data", "symmetric": False, "thickness": 1.5, "width": 4,
            "color": f"{IN_COLOR}/0.7",
            "array": [each.high - each for each, _ in known],
            "arrayminus": [each - each.low for each, _ in known],
        },
        "marker": {"color": IN_COLOR, "size": 8},
        "customdata": [
            [name, each.count] for name, (each, _) in zip(shown, known, strict=True)
        ],
        "hovertemplate": "%{customdata[0]}: %{y:.1%} of %{customdata[1]:,d}"
        "<extra></extra>",
    }  # fmt: skip
    line = {
        "type": "scatter", "mode": "lines", "name": "Promised on average",
        "x": [-0.5, len(known) - 0.5], "y": [promised, promised], "hoverinfo": "skip",
        "line": {"color": MUTED, "width": 1.5, "dash": "dot"},
    }  # fmt: skip
    ticks: dict[str, Any] = {"tickvals": list(range(len(known))), "ticktext": shown}
    return figure(
        [line, dots],
        x=axis(range=[-0.6, len(known) - 0.4], **ticks),
        y=axis("Coverage", tickformat=PERCENT),
        height=320,
    )


def worst_first(report: ConformalReport) -> list[tuple[Estimate, int]]:
    """The coverage of each class that was there to judge, and its number."""
    # An estimate is a number: one of 0 is there, and the worst of all.
    covered = enumerate(report.class_coverage)
    found = [(each, k) for k, each in covered if each is not None]
    return sorted(found, key=lambda pair: float(pair[0]))


def show(run: Run, names: Sequence[str]) -> None:
    """Show the part of the tab.

    Args:
        run: An evaluated run.
        names: Class names, [C].
    """
    st.markdown("### Conformal sets")
    st.markdown(
        "Instead of one class, a set that holds the true class at least as often as "
        "promised, whatever the network, as long as inputs come from the same source."
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        promised = st.slider(
            "Promised coverage", LEAST, MOST, USUAL, format="%d %%",
            key="sel_promised", bind="query-params", width=320,
        )  # fmt: skip
        kind = st.segmented_control(
            "Coverage by class of", list(ABOUT), default=next(iter(ABOUT)),
            required=True, key="sel_sets", bind="query-params",
        )  # fmt: skip
    promised = min(MOST, max(LEAST, int(promised)))
    found = conformal_sets(run, promised)
    if found is None:
        st.info("There are too few examples to fit sets.", icon=":material/info:")
        return
    st.table(sets_table(found, names), border="horizontal", hide_index=True)
    total = next(iter(found.reports.values())).num_examples
    methods = "; ".join(f"**{name}**, {about}" for name, about in ABOUT.items())
    st.caption(
        f"{found.sentence} {count(found.num_fitted)} set the thresholds, "
        f"{count(total)} were judged. The promise is on average over all classes: the "
        f"worst class may get less, and is the worst of {len(names)} by chance too. "
        f"{methods}."
    )
    _charts(run, found, names, promised, kind if kind in ABOUT else next(iter(ABOUT)))


def _charts(
    run: Run, found: Sets, names: Sequence[str], promised: int, kind: str
) -> None:
    left, right = st.columns(2)
    with left:
        means = ", ".join(
            f"{name} {each.mean_size:.2f}" for name, each in found.reports.items()
        )
        panel(
            "Size of the sets",
            sizes_figure(found),
            key="sel-sizes",
            alt=f"Share of sets by size; mean number of classes: {means}.",
            note=f"Mean number of classes: {means}. Fewer say more.",
            revision=f"{run.id}-{promised}",
        )
    with right:
        report = found.reports[kind]
        worst = report.worst_class_coverage
        judged = len(worst_first(report))
        first = f"worst {MAX_CLASSES} of " if judged > MAX_CLASSES else ""
        panel(
            f"Coverage by class, {kind}",
            classes_figure(report, names, promised / 100),
            key="sel-classes",
            alt=f"Coverage of each true class; the worst is {percent(worst)}, the "
            f"promise {promised} %.",
            note=f"The {first}{count(judged)} classes that were judged, the worst "
            "first, with 95 % intervals.",
            revision=f"{run.id}-{promised}-{kind}",
        )

"""The tab of learning curves, which move as long as one of the runs is alive."""

from collections.abc import Sequence

import streamlit as st

from ui.components.axes import KINDS, STEP, TIME, Axes
from ui.components.formats import plain
from ui.components.guarded import fragment
from ui.components.plot import panel
from ui.components.series import SMOOTHED_SHARE
from ui.views.compare import lines
from ui.views.compare.comparison import Comparison, told_missing
from ui.views.compare.groups import Entry
from ui.views.compare.logged import Log, logged

REFRESH = 3.0  # seconds between two looks at live runs
METRICS, KIND, LOG_X, LOG_Y, SMOOTHING, EACH = (
    "compare_metrics", "compare_x", "compare_log_x", "compare_log_y",
    "compare_smoothing", "compare_each",
)  # fmt: skip
_MOST_SMOOTHED = 20  # percent of a line's values

Logged = list[tuple[Entry, list[Log]]]


def render(comparison: Comparison) -> None:
    """Show the curves."""
    alive = any(entry.alive for entry in comparison.entries)
    fragment("The curves", _live, REFRESH if alive else None)(comparison)


def _live(comparison: Comparison) -> None:
    found: Logged = [
        (entry, [logged(view.run) for view in entry.views])
        for entry in comparison.entries
    ]
    every = [log for _, several in found for log in several]
    metrics = lines.available(every)
    if not metrics:
        st.info("None of these has logged anything yet.", icon=":material/info:")
        return
    chosen, axes, each_run = _controls(metrics, comparison, every)
    drawn = [
        made
        for key in chosen
        if (made := lines.panel(metrics[key], found, axes, each_run=each_run))
    ]
    revision = f"{comparison.revision} {axes.revision}"
    for first in range(0, len(drawn), 2):
        pair = drawn[first : first + 2]
        for place, each in zip(st.columns(len(pair)), pair, strict=True):
            with place:
                panel(
                    plain(each.metric.title), each.figure, alt=each.alt,
                    key=f"compare-curve-{each.metric.key}", note=each.metric.note,
                    revision=revision,
                )  # fmt: skip
    _notes(found, axes)


def _controls(
    metrics: dict[str, lines.Metric],
    comparison: Comparison,
    every: Sequence[Log],
) -> tuple[list[str], Axes, bool]:
    """Show what can be drawn against what, and return what was chosen."""
    default = [key for key in lines.DEFAULT if key in metrics] or list(metrics)[:4]
    chosen = st.pills(
        "Metrics", list(metrics), selection_mode="multi", default=default, key=METRICS,
        bind="query-params", format_func=lambda key: _title(metrics[key]),
        label_visibility="collapsed",
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        kind = st.segmented_control(
            "Horizontal axis", KINDS, default=STEP, key=KIND, bind="query-params",
            required=True, help="Time is that of training, validation included.",
        )  # fmt: skip
        smoothing = st.slider(
            "Smoothing", 0, _MOST_SMOOTHED, round(100 * SMOOTHED_SHARE),
            key=SMOOTHING, bind="query-params", format="%d %%", width=170,
            help="Each run's values of every few steps become an exponential mean over "
            "about this share of them; what is logged by epoch stays as it is.",
        )  # fmt: skip
        log_x = st.toggle("Log x", key=LOG_X, bind="query-params")
        log_y = st.toggle("Log y", key=LOG_Y, bind="query-params")
        each_run = False
        if any(entry.is_family for entry in comparison.entries):
            each_run = st.toggle("Each seed", key=EACH, bind="query-params")
    longest = max((log.seconds for log in every), default=0.0)
    known = kind if kind in KINDS else STEP
    axes = Axes(known, bool(log_x), bool(log_y), smoothing / 100, longest)
    return [key for key in chosen if key in metrics], axes, bool(each_run)


def _title(metric: lines.Metric) -> str:
    """In Markdown; that of an unknown metric is foreign. The address has it, too."""
    return metric.title if metric.key in lines.KNOWN else plain(metric.title)


def _notes(found: Logged, axes: Axes) -> None:
    families = [(entry, logs) for entry, logs in found if entry.is_family]
    if families:
        how = (
            "Times differ between seeds: values are interpolated, over the time that "
            "all of them have."
            if axes.kind == TIME
            else "Seeds meet at the same steps."
        )
        st.caption(
            f"A line is the mean over seeds, its band one standard deviation. {how}"
        )
    late = [plain(entry.name) for entry, logs in families if lines.uneven(logs)]
    if late:
        st.caption(
            f":material/info: Not all seeds of {', '.join(late)} are as far: beyond "
            "the end of one, the mean is over the others (n in the label)."
        )
    silent = [e.name for e, logs in found if not any(log.rows for log in logs)]
    told_missing({"nothing logged": silent} if silent else {})

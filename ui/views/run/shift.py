"""The tab of what corrupted inputs do to the network."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from calibration import shift_summary
from calibration.report import written
from calibration.shift import APART, SeverityRow, ShiftRow, Spread
from data.corruptions import CORRUPTIONS, SEVERITIES
from trainers.runs import Run
from ui.components.estimates import label, told
from ui.components.formats import count, plain, words
from ui.components.guarded import fragment, guarded
from ui.components.plot import panel
from ui.components.reading import Summary
from ui.views.run import corrupting
from ui.views.run.evaluated import evaluated
from ui.views.run.severity import (
    MEASURED,
    kinds_figure,
    severity_alt,
    severity_figure,
)
from ui.views.run.shifted import left_out, shift_rows

ABOUT = (
    "What becomes of the predictions when the same test images are noisy, blurred, "
    f"foggy, badly stored or turned: {len(CORRUPTIONS)} kinds of corruption at "
    f"{len(SEVERITIES)} severities. A network that knows what it does not know gets "
    "less sure as it gets worse: its accuracy falls, its calibration error stays."
)


def render(view: Summary) -> None:
    """Show the measures by severity and kind, or offer to measure them."""
    if evaluated(view, "What corrupted inputs do") is None or view.config is None:
        return
    obstacle = corrupting.obstacle(view.run, view.config)
    st.markdown(ABOUT)
    measured = view.run.shift.exists()
    if measured:
        fragment("Distribution shift", _shift)(view.run)
    elif obstacle:
        st.info(obstacle, icon=":material/info:")
    else:
        st.info("It was not measured for this run.", icon=":material/info:")
    if not obstacle:
        with guarded("The measurement"):
            corrupting.offer(view.run, again=measured)


def _shift(run: Run) -> None:
    rows = shift_rows(run)
    for kind, why in left_out(run).items():
        st.warning(
            f"{words(kind)} is left out, its predictions are damaged: {plain(why)}",
            icon=":material/broken_image:",
        )
    summary = shift_summary(rows)
    st.markdown(verdict(summary))
    _curves(run, rows)
    _means(rows, summary)
    _kinds(run, rows)
    _all_rows(rows)


def verdict(summary: Sequence[SeverityRow]) -> str:
    """Say what the strongest corruption does, on average over kinds.

    Args:
        summary: From `shift_summary`, with the images as they are first.
    """
    first, last = summary[0], summary[-1]
    moved = [
        f"{name} from {written.value(key, getattr(first, key).mean)} to "
        f"{written.value(key, getattr(last, key).mean)}"
        for key, name in (("accuracy", "accuracy goes"), ("ece", "ECE"))
    ]
    lost = 100 * (first.accuracy.mean - last.accuracy.mean)
    gained = 100 * (last.ece.mean - first.ece.mean)
    return (
        f"**From severity {first.severity} to {last.severity}**, on average over "
        f"{last.num_kinds} kinds, {moved[0]} and {moved[1]}: {lost:.1f} points of "
        f"accuracy lost, {abs(gained):.1f} points of calibration error "
        f"{'gained' if gained > 0 else 'less'}."
    )


def _curves(run: Run, rows: Sequence[ShiftRow]) -> None:
    for place, (name, title) in zip(
        st.columns(len(MEASURED)), MEASURED.items(), strict=True
    ):
        with place:
            panel(
                f"{title.partition(',')[0]} against severity",
                severity_figure(rows, name),
                key=f"shift-{name}",
                alt=severity_alt(rows, name),
                revision=run.id,
            )
    kinds = dict.fromkeys(row.kind for row in rows)
    apart = [words(kind) for kind in APART if kind in kinds]
    alone = f" {', '.join(apart)} is in no mean." if apart else ""
    st.caption(
        f"{count(rows[0].count)} test images, the same ones in each; thick, the mean "
        f"over kinds, thin the single ones, the band from the least to the most.{alone}"
    )


def _means(rows: Sequence[ShiftRow], summary: Sequence[SeverityRow]) -> None:
    clean = rows[0]
    table = [
        {
            "Severity": str(each.severity) if each.severity else "0, as they are",
            "Kinds": str(each.num_kinds) if each.severity else "",
            **{
                label(name): _spread(name, getattr(each, name))
                if each.severity
                else told(name, getattr(clean, name))
                for name in MEASURED
            },
        }
        for each in summary
    ]
    st.table(table, border="horizontal", hide_index=True)
    st.caption(
        "In brackets the 95 % interval at severity 0, and the least and the most of "
        "the kinds at the others."
    )


def _spread(name: str, found: Spread) -> str:
    cell = written.range_cell(name, [found.smallest, found.largest])
    return f"{written.value(name, found.mean)} :small[{cell.detail}]"


def _kinds(run: Run, rows: Sequence[ShiftRow]) -> None:
    name = st.segmented_control(
        "By kind and severity", list(MEASURED), default="accuracy", required=True,
        format_func=lambda key: MEASURED[key], key="shift_of", bind="query-params",
    )  # fmt: skip
    name = name if name in MEASURED else "accuracy"
    clean = rows[0]
    worst = (min if name == "accuracy" else max)(
        (row for row in rows if row.severity), key=lambda row: float(getattr(row, name))
    )
    panel(
        f"{MEASURED[name]} by kind and severity",
        kinds_figure(rows, name),
        key="shift-kinds",
        alt=f"{MEASURED[name]} of each kind of corruption at each severity; worst is "
        f"{words(worst.kind)} at {worst.severity}, "
        f"{written.value(name, getattr(worst, name))}.",
        note=f"As they are: {told(name, getattr(clean, name))}. The stronger the "
        "colour, the worse.",
        revision=f"{run.id}-{name}",
    )


def _all_rows(rows: Sequence[ShiftRow]) -> None:
    with st.expander(
        "All numbers, and what each corruption is", icon=":material/table:"
    ):
        kinds = list(dict.fromkeys(row.kind for row in rows))
        st.table(
            [
                {"Corruption": words(kind), "Group": words(CORRUPTIONS[kind].group),
                 "What it is": plain(CORRUPTIONS[kind].description)}
                for kind in kinds if kind in CORRUPTIONS
            ],
            border="horizontal", hide_index=True,
        )  # fmt: skip
        st.dataframe(
            [_numbers(row) for row in rows], hide_index=True, width="stretch",
            key="shift-rows", alt="Accuracy, NLL and ECE of each kind and severity.",
        )  # fmt: skip


def _numbers(row: ShiftRow) -> dict[str, Any]:
    found: dict[str, Any] = {"Corruption": words(row.kind), "Severity": row.severity}
    for name, title in MEASURED.items():
        value = getattr(row, name)
        found |= {title: float(value)}
        found |= {f"{title}, low": value.low, f"{title}, high": value.high}
    return found | {"Examples": row.count}

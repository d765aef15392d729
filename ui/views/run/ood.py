"""The tab that asks whether the network notices inputs of another kind."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from calibration import MEASURES
from calibration.ood import DETECTION_MEASURES
from data import DATASETS
from trainers.config import OOD_NONE, RunConfig
from trainers.runs import Run, RunError
from ui.components import scores
from ui.components.estimates import label, told
from ui.components.formats import compact, count, decimal, percent, plain
from ui.components.guarded import fragment, guarded
from ui.components.labels import data_title
from ui.components.notes import show_notes
from ui.components.plot import panel
from ui.components.reading import Summary
from ui.views.run.detection import AXES, Detected, Flagged, detected
from ui.views.run.evaluated import evaluated
from ui.views.run.roc import precision_recall_figure, roc_figure
from ui.views.run.score_histogram import histogram_figure

BY_RECALL, BY_ALARMS = "Share caught", "False alarms"
_FIXED = (
    "The interval is of this very threshold. That of FPR95 in the table below counts, "
    "also where 95 % are caught here too, that other examples would have put the "
    "threshold elsewhere."
)
RECALL, ALARMS = 95.0, 5.0  # percent, to begin with


def render(view: Summary) -> None:
    """Show how far each score tells the other sets from the test set."""
    content = evaluated(view, "Detection of other inputs")
    if content is None or view.config is None:
        return
    with guarded("Detection of other inputs"):
        names = scores.sets(view.run)
        if not names:
            st.info(_no_detection(view.config), icon=":material/info:")
            return
        inside = data_title(view.config.dataset.name)
        fragment("Detection of other inputs", _detection)(view.run, inside, names)


def _detection(run: Run, inside: str, names: list[str]) -> None:
    top = st.container(horizontal=True, vertical_alignment="bottom")
    name, score, log = _chosen(run, names, top)
    show_notes(run)
    outside = data_title(name)
    try:
        found = detected(run, name, score)
    except ValueError as error:
        st.warning(
            f"This score cannot be had here: {plain(str(error))}",
            icon=":material/info:",
        )
        return
    flagged = found.at(_threshold(found))
    _readout(found, flagged, inside, outside)
    titles = scores.offered(run, name)
    _histogram(run, found, flagged, (inside, outside, score, titles[score], log))
    _curves(run, found, flagged, f"{name}-{score}")
    _measures(found, inside, outside)
    _all_scores(run, name, titles)


def _chosen(run: Run, names: list[str], place: Any) -> tuple[str, str, bool]:
    with place:
        name = st.selectbox(
            "Other inputs", names, format_func=data_title, key="ood_set",
            bind="query-params", width=240,
        )  # fmt: skip
        name = name if name in names else names[0]
        titles = scores.offered(run, name)
        score = st.selectbox(
            "Score", list(titles), format_func=lambda key: titles[key],
            key="ood_score", bind="query-params", width=280,
            help="Larger means more out of distribution, for all of them. Distances "
            "are in the features before the last layer, fitted to training examples.",
        )  # fmt: skip
        log = st.toggle("Log shares", key="ood_log", bind="query-params")
    return name, score if score in titles else next(iter(titles)), bool(log)


def _threshold(found: Detected) -> float:
    """The threshold that the slider stands for."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        by = st.segmented_control(
            "Set the threshold by", [BY_RECALL, BY_ALARMS], default=BY_RECALL,
            required=True, key="ood_by", bind="query-params",
        )  # fmt: skip
        if by == BY_ALARMS:
            most = st.slider(
                "False alarms: flag at most so many of the test set", 0.0, 50.0,
                ALARMS, 0.5, format="%.1f %%", key="ood_alarms", bind="query-params",
            )  # fmt: skip
            return found.threshold_of_alarms(min(50.0, max(0.0, float(most))) / 100)
        least = st.slider(
            "Threshold: flag at least so many of the other inputs", 0.5, 100.0,
            RECALL, 0.5, format="%.1f %%", key="ood_recall", bind="query-params",
            help="At 95 % the share of false alarms is FPR95.",
        )  # fmt: skip
    return found.threshold_of_recall(min(100.0, max(0.5, float(least))) / 100)


def _readout(found: Detected, flagged: Flagged, inside: str, outside: str) -> None:
    shown = {
        "Threshold": (compact(flagged.threshold), "flagged from here on"),
        "Caught": (percent(flagged.recall), _ends(flagged.recall)),
        "False alarms": (percent(flagged.alarms), _ends(flagged.alarms)),
        "Precision": (percent(flagged.precision), _ends(flagged.precision)),
    }
    for place, (name, (value, beside)) in zip(
        st.columns(len(shown)), shown.items(), strict=True
    ):
        with place:
            st.metric(
                name, value, beside, delta_color="off", delta_arrow="off", border=True,
                help=_FIXED if name == "False alarms" else None,
            )  # fmt: skip
    st.caption(
        f"Flags {count(flagged.num_caught)} of {count(len(found.outside))} examples of "
        f"{plain(outside)}, and {count(flagged.num_alarms)} of "
        f"{count(len(found.inside))} of {plain(inside)}. Precision is that of these "
        "two sets; it falls where other inputs are rarer. In grey, 95 % intervals."
    )


def _ends(estimate: Any) -> str:
    if estimate is None:
        return "nothing is flagged"
    return f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f} %"


def _histogram(
    run: Run,
    found: Detected,
    flagged: Flagged,
    about: tuple[str, str, str, str, bool],
) -> None:
    inside, outside, score, title, log = about
    measures = found.detection
    panel(
        "In versus out of distribution",
        histogram_figure(
            found.histogram, inside, outside, AXES.get(score, title),
            threshold=flagged.threshold, log=log,
        ),
        key="ood-histogram",
        alt=f"Histograms of {title} on {inside} and on {outside}: AUROC "
        f"{decimal(measures.auroc)}, FPR95 {percent(measures.fpr95)}. From "
        f"{compact(flagged.threshold)} on, {percent(flagged.recall)} of {outside} and "
        f"{percent(flagged.alarms)} of {inside} are flagged.",
        note=f"{count(len(found.inside))} examples of {plain(inside)} (in) and "
        f"{count(len(found.outside))} of {plain(outside)} (out) over the same bins. "
        "What lies right of the dashed line is flagged.",
        revision=f"{run.id}-{outside}-{score}-{log}",
    )  # fmt: skip


def _curves(run: Run, found: Detected, flagged: Flagged, what: str) -> None:
    left, right = st.columns(2)
    total = len(found.inside) + len(found.outside)
    with left:
        panel(
            "ROC",
            roc_figure(found.roc, flagged),
            key="ood-roc",
            alt=f"ROC curve, AUROC {decimal(found.detection.auroc)}; the threshold "
            f"catches {percent(flagged.recall)} at {percent(flagged.alarms)} false "
            "alarms.",
            note=f"AUROC {told('auroc', found.detection.auroc)}",
            revision=f"{run.id}-{what}",
        )
    with right:
        panel(
            "Precision and recall",
            precision_recall_figure(
                found.precision_recall, flagged, len(found.outside) / total
            ),
            key="ood-precision",
            alt="Precision-recall curve with other inputs as the positive class, "
            f"AUPR-out {decimal(found.detection.aupr_out)}; the threshold has a "
            f"precision of {percent(flagged.precision)}.",
            note=f"AUPR-out {told('aupr_out', found.detection.aupr_out)}",
            revision=f"{run.id}-{what}",
        )


def _measures(found: Detected, inside: str, outside: str) -> None:
    rows = [
        {
            "Measure": label(name),
            "Value (95 % interval)": told(name, getattr(found.detection, name)),
            "What it is": plain(MEASURES[name].sentence),
        }
        for name in DETECTION_MEASURES
    ]
    st.table(rows, border="horizontal", hide_index=True)
    st.caption(
        f"{count(len(found.inside))} examples of {plain(inside)} and "
        f"{count(len(found.outside))} of {plain(outside)}."
    )


def _all_scores(run: Run, name: str, titles: Mapping[str, str]) -> None:
    box = st.expander(
        "All scores on this set", icon=":material/table:", key="ood_all",
        on_change="rerun",
    )  # fmt: skip
    if not box.open:
        return
    with box:
        rows, notes = [], []
        for key, title in titles.items():
            try:
                found = detected(run, name, key).detection
            except (ValueError, RunError) as error:
                notes.append(f"{title} is left out: {error}")
                continue
            row = {"Score": title}
            row |= {label(m): told(m, getattr(found, m)) for m in DETECTION_MEASURES}
            rows.append(row)
        st.table(rows, border="horizontal", hide_index=True)
        st.caption(
            "Chosen after the fact, the best of many scores looks better than it is: "
            f"fix the score before you look. {plain(' '.join(notes))}"
        )
        show_notes(run)


def _no_detection(config: RunConfig) -> str:
    if DATASETS[config.dataset.name].kind == "points":
        return (
            "Points of the plane have no partner set. The maps show what the "
            "network believes away from its data."
        )
    if config.evaluation.ood == OOD_NONE:
        return "This run was launched without an out-of-distribution set."
    return "No out-of-distribution set was at hand when this run was evaluated."

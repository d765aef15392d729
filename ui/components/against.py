"""The panel of results against a setting, for any runs that differ in a number."""

from collections.abc import Sequence

import streamlit as st

from calibration.report import written
from trainers.against import MEASURES, Line, Measured, axes_of, lines
from trainers.studies import study_of
from trainers.study_files import as_csv
from trainers.study_findings import sentences
from trainers.study_picture import numbers
from ui.components.against_figures import MOST, against_figure, key_of, told, values_of
from ui.components.formats import counted, plain
from ui.components.forms import setting_title
from ui.components.key import show_key
from ui.components.plot import panel
from ui.components.reading import Summary
from ui.components.results import results

SETTING, AT_MEAN = "against", "against_mean"  # of the address, /compare?against=lr
_CHOICE = "against_setting"
_NOTHING = (
    "No optimizer here was evaluated with two values of a number such as the learning "
    "rate or the temperature. A sweep gives such runs; a study of the temperature or "
    "the prior is one click on the page Launch."
)


def axes_among(views: Sequence[Summary]) -> list[str]:
    """The numeric settings in which the evaluated ones of some runs differ."""
    configs = [view.config for view in views if view.metrics or view.pending]
    return axes_of([config for config in configs if config is not None])


def known(views: Sequence[Summary]) -> list[Measured]:
    """What was measured of those runs that were evaluated, the oldest first.

    Results that nobody has read yet are read: a line without them would be wrong.
    """
    return [
        found
        for view in sorted(views, key=lambda view: view.run.id)
        if (found := _measured(view)) is not None
    ]


def _measured(view: Summary) -> Measured | None:
    """What was measured of a run, None if nothing was."""
    if view.config is None:
        return None
    found = results(view.run) if view.pending else None
    metrics, at_mean = (
        (found.metrics, found.at_mean) if found else (view.metrics, view.at_mean)
    )
    return Measured(view.config, metrics, at_mean) if metrics else None


def against(views: Sequence[Summary], key: str) -> None:
    """Show NLL, ECE and accuracy against a setting that can be chosen.

    Args:
        views: The runs.
        key: Start of the charts' keys.
    """
    found = known(views)
    axes = axes_of([each.config for each in found])
    if not axes:
        st.info(_NOTHING, icon=":material/tune:")
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        axis = _setting(axes)
        at_mean = any(each.at_mean for each in found) and st.toggle(
            "At the posterior mean", key=AT_MEAN, bind="query-params",
            help="Dotted: the network at the mean of its posterior, beside the average "
            "over its draws.",
        )  # fmt: skip
    drawn = lines(found, axis)
    _panels(drawn, axis, key, at_mean=bool(at_mean))
    _words(drawn, axis)
    _numbers(drawn, axis, key)


def _setting(axes: Sequence[str]) -> str:
    """Ask against which setting, and return it; the address may name one of them."""
    wanted = st.query_params.get(SETTING, "")
    chosen = wanted if wanted in axes else axes[0]
    st.session_state[_CHOICE] = chosen
    st.selectbox(
        "Setting", axes, key=_CHOICE, format_func=setting_title, width=260,
        on_change=_write_setting,
    )  # fmt: skip
    return chosen


def _write_setting() -> None:
    st.query_params[SETTING] = st.session_state[_CHOICE]


def _panels(drawn: Sequence[Line], axis: str, key: str, *, at_mean: bool) -> None:
    study = study_of(axis)
    if len(drawn) > 1:
        show_key(key_of(drawn))
    values = values_of(drawn)
    with st.container(key="against_panels"):  # narrower in `ui/style.css`
        places = st.columns(len(MEASURES))
    for place, name in zip(places, MEASURES, strict=True):
        with place:
            panel(
                written.short(name),
                against_figure(drawn, axis, name, study, at_mean=at_mean),
                key=f"{key}-{name}",
                alt=told(drawn, axis, name),
                note=written.arrow(name),
                revision=f"{axis} {values} {at_mean}",
            )
    marked = f" Upright: {study.reference_title}." if study else ""
    more = f" The first {MOST} of {len(drawn)} lines." if len(drawn) > MOST else ""
    count = sum(len(place.runs) for each in drawn for place in each.places)
    st.caption(
        f"Test split, {counted(count, 'run')}; means over seeds, of a posterior its "
        "predictive. Bands are one standard deviation over seeds; a ring is the best "
        f"mean; a dashed level has no such setting.{marked}{more}"
    )


def _words(drawn: Sequence[Line], axis: str) -> None:
    study = study_of(axis)
    said = sentences(study, drawn, axis, MEASURES)
    if not said:
        return
    with st.container(border=True, gap="xsmall"):
        title = study.summary if study else "What it comes to"
        st.markdown(f"**{plain(title)}**")
        st.markdown("\n".join(f"- {plain(each)}" for each in said))
        st.caption(
            "Differences are taken seed by seed, with Student's interval widened for "
            "the number of values that the best was chosen from; fewer than three "
            f"seeds call nothing clear. {plain(study.paper)}."
            if study
            else "The best mean of those values with the most seeds. It was chosen on "
            "the test split, so its number flatters it a little."
        )


def _numbers(drawn: Sequence[Line], axis: str, key: str) -> None:
    with st.expander("Numbers", icon=":material/table:"):
        content = numbers(drawn, axis)
        heads = [column.text for column in content.columns]
        heads[1] = setting_title(axis)
        st.table(
            {
                head: [
                    f"**{plain(row[k].text)}**" if row[k].strong else plain(row[k].text)
                    for row in content.rows
                ]
                for k, head in enumerate(heads)
            },
            border="horizontal", hide_index=True,
            alt=f"Results against {setting_title(axis)}, mean and deviation over seeds",
        )  # fmt: skip
        st.download_button(
            "CSV", as_csv(drawn, axis), file_name=f"against-{axis}.csv",
            mime="text/csv", on_click="ignore", icon=":material/download:",
            key=f"{key}-csv",
        )  # fmt: skip

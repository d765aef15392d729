"""The tab that asks whether the network is right as often as it says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import streamlit as st

from calibration.reliability import ReliabilityDiagram, diagram
from calibration.report.measuring.fitted import TITLES
from trainers.runs import Run
from ui.components.formats import count, percent, plain
from ui.components.guarded import fragment, guarded
from ui.components.labels import label
from ui.components.plot import panel
from ui.components.reading import Summary
from ui.views.run import bin_examples
from ui.views.run.bin_examples import BIN
from ui.views.run.calibration_tables import measures_table, methods_table, verdict
from ui.views.run.evaluated import class_names, evaluated
from ui.views.run.recalibration import NONE, Fitted, Measured, fitted, measured
from ui.views.run.reliability import (
    ACCURACY,
    TOP_LABEL,
    reliability_alt,
    reliability_figure,
)
from ui.views.run.sides import BEFORE, PREDICTED, Side, sides

FEWEST, MOST, USUAL = 5, 50, 15  # bins
SCHEMES: dict[str, Literal["width", "mass"]] = {
    "Equal width": "width", "Equal mass": "mass",
}  # fmt: skip
CLICK = "cal_click"
TOO_FEW = "There are too few examples to fit a recalibration."


@dataclass(frozen=True)
class Choice:
    """What stands in the fields above the diagram."""

    num_bins: int
    scheme: Literal["width", "mass"]
    of: int
    method: str
    log: bool


def render(view: Summary) -> None:
    """Show the reliability diagram, its numbers, and what recalibration gains."""
    content = evaluated(view, "Calibration")
    if content is not None:
        fragment("The reliability diagram", _calibration)(view.run, content)


def _calibration(run: Run, content: Mapping[str, Any]) -> None:
    names = class_names(run, content)
    choice, found = _fitted(run, _controls(names))
    compared = sides(run, choice.method, choice.of)
    numbers = measured(run, choice.method, choice.num_bins)
    st.markdown(verdict(numbers.before))
    drawn = _reliability(run, choice, compared, names)
    _measures(choice, found, numbers)
    _methods(run)
    with guarded("The examples of a bin"):
        bin_examples.show(run, compared[BEFORE], drawn, names)


def _controls(names: Sequence[str]) -> Choice:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        num_bins, scheme = _bins()
        of, method = _looked_at(names)
        log = st.toggle("Log counts", key="cal_log", bind="query-params")
    return Choice(num_bins, scheme, of, method, bool(log))


def _bins() -> tuple[int, Literal["width", "mass"]]:
    """Show how many bins there are and of which kind, and return what was chosen."""
    num_bins = st.slider(
        "Bins", FEWEST, MOST, USUAL, key="cal_bins", bind="query-params", width=220
    )
    scheme = st.segmented_control(
        "Bins of", list(SCHEMES), default=next(iter(SCHEMES)), required=True,
        key="cal_scheme", bind="query-params",
        help="Equal width: each spans as much confidence. Equal mass: each holds "
        "as many examples.",
    )  # fmt: skip
    return min(MOST, max(FEWEST, int(num_bins))), SCHEMES.get(scheme, "width")


def _looked_at(names: Sequence[str]) -> tuple[int, str]:
    """Show whose confidence is drawn and after what, and return what was chosen."""
    of = st.selectbox(
        "Confidence in", range(PREDICTED, len(names)),
        format_func=lambda k: names[k] if k >= 0 else "Predicted class",
        key="cal_class", bind="query-params", width=220,
        help="The predicted class, or one class against all others: its "
        "probability beside how often it is the true one.",
    )  # fmt: skip
    titles = {NONE: "None", **TITLES}
    method = st.selectbox(
        "Recalibrated by", list(titles), format_func=lambda name: titles[name],
        key="cal_method", bind="query-params", width=260,
        help="Drawn over the diagram, so that you see before and after.",
    )  # fmt: skip
    of = of if of in range(PREDICTED, len(names)) else PREDICTED
    return of, method if method in titles else NONE


def _fitted(run: Run, choice: Choice) -> tuple[Choice, Fitted | None]:
    """The choice as it can be had, and what was fitted if that was asked for."""
    if choice.method == NONE:
        return choice, None
    found = fitted(run)
    if found is not None and choice.method in found.results:
        return choice, found
    why = TOO_FEW
    if found is not None:
        told = found.left_out.get(choice.method, "it cannot be fitted here")
        why = f"{TITLES[choice.method]} is left out: {told}."
    st.info(plain(why), icon=":material/info:")
    return replace(choice, method=NONE), None


def _reliability(
    run: Run, choice: Choice, sides: Mapping[str, Side], names: Sequence[str]
) -> ReliabilityDiagram:
    diagrams = {
        name: diagram(side.confidence, side.came_true, choice.num_bins, choice.scheme)
        for name, side in sides.items()
    }
    first = next(iter(diagrams.values()))
    confidence, outcome = TOP_LABEL, ACCURACY
    about = "When it is 80 % sure, is it right 8 times in 10?"
    if choice.of != PREDICTED:
        confidence = f"Probability of {label(names[choice.of])}"
        outcome = f"Share that is {label(names[choice.of])}"
        about = f"Of the inputs it gives {plain(names[choice.of])} 80 %, are 80 % one?"
    gaps = " → ".join(percent(each.ece, 2) for each in diagrams.values())
    clicked = panel(
        "Reliability",
        reliability_figure(diagrams, confidence, outcome, log=choice.log),
        key="reliability",
        alt=reliability_alt(diagrams),
        note=f"{about} Mean gap {gaps} over {choice.num_bins} bins of equal "
        f"{choice.scheme}, {count(first.num_examples)} examples. Dots below the dotted "
        "line are overconfident. Click a dot or a bar to see its examples below.",
        revision=f"{run.id}-{choice.scheme}-{choice.of}-{choice.log}",
        clickable=True,
    )
    _take(clicked, len(first.count))
    return first


def _take(clicked: Mapping[str, Any] | None, num_bins: int) -> None:
    """Choose the bin that was clicked just now; a click is told again with each run."""
    if clicked is None or clicked == st.session_state.get(CLICK):
        return
    st.session_state[CLICK] = dict(clicked)
    place = clicked.get("customdata")
    if not isinstance(place, list) or len(place) != 2 or place[0] != 0:
        return
    if type(place[1]) is int and 0 <= place[1] < num_bins:
        st.session_state[BIN] = place[1]


def _measures(choice: Choice, found: Fitted | None, numbers: Measured) -> None:
    after = ""
    if found is not None and choice.method != NONE:
        after = plain(found.told(choice.method))
    st.table(measures_table(numbers, after), border="horizontal", hide_index=True)
    if numbers.after is not None and found is not None:
        st.markdown(f"After {after}: {verdict(numbers.after)}")
    st.caption(
        f"Binned measures are of the predicted class over {choice.num_bins} bins. "
        "95 % intervals over the test examples; a paired difference is after less "
        "before on the same examples. ↓ lower is better."
    )


def _methods(run: Run) -> None:
    box = st.expander(
        "All recalibrations", icon=":material/balance:", key="cal_all",
        on_change="rerun",
    )  # fmt: skip
    if not box.open:
        return
    with box:
        found = fitted(run)
        if found is None:
            st.info(TOO_FEW, icon=":material/info:")
            return
        st.table(methods_table(found), border="horizontal", hide_index=True)
        st.caption(_basis(found))


def _basis(found: Fitted) -> str:
    """What the table of all recalibrations rests on."""
    halves = found.halves
    left = "".join(f" {name}: {why}." for name, why in found.left_out.items())
    return (
        f"{halves.sentence} {count(len(halves.fit_labels))} to fit, "
        f"{count(len(halves.score_labels))} to judge; ECE over {USUAL} bins. The "
        "one chosen has the least NLL in cross-validation within the examples it "
        f"was fitted on, so the test examples had no say.{left}"
    )

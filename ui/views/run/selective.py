"""The tab of how far rejecting unsure predictions helps."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from calibration import (
    MEASURES,
    Estimate,
    RiskCoverageCurve,
    area_under_generalised_risk_coverage,
    area_under_risk_coverage,
    coverage_at_risk,
    excess_area,
    reference_areas,
    risk_at_coverage,
    risk_coverage_curve,
)
from trainers.runs import Run
from ui.components import predictions
from ui.components.estimates import label, told
from ui.components.formats import count, percent, plain
from ui.components.guarded import fragment, guarded
from ui.components.latest import Stamp, stamp_of
from ui.components.plot import panel
from ui.components.predictions import Part
from ui.components.reading import Summary
from ui.components.scores import CONFIDENCE, certainties, of_part
from ui.views.run import prediction_sets
from ui.views.run.evaluated import class_names, evaluated
from ui.views.run.risk_coverage import risk_coverage_figure

RISK, COVERAGE = 5.0, 80.0  # percent, to begin with
BAND = tuple(k / 20 for k in range(1, 21))  # coverages at which the band is measured


@dataclass(frozen=True, eq=False)
class Ranked:
    """What an order of certainty is worth.

    Args:
        curve: The risk-coverage curve.
        band: Coverages, and the risk at each with its interval.
        areas: "aurc", "augrc" and "excess_aurc".
        oracle: AURC of the best order.
    """

    curve: RiskCoverageCurve
    band: list[tuple[float, Estimate]]
    areas: Mapping[str, Estimate]
    oracle: float


def render(view: Summary) -> None:
    """Show the risk-coverage curve, decisions at a risk, and conformal sets."""
    content = evaluated(view, "Selective prediction")
    if content is None:
        return
    fragment("Selective prediction", _selective)(view.run)
    with guarded("Conformal sets"):
        names = class_names(view.run, content)
        fragment("Conformal sets", prediction_sets.show)(view.run, names)


def _selective(run: Run) -> None:
    part = predictions.part(run)
    kinds = certainties(sampled=part.num_samples > 1)
    kind = st.selectbox(
        "Refuse first what has the least certainty by", list(kinds),
        format_func=lambda name: kinds[name], key="sel_by", bind="query-params",
        width=320,
    )  # fmt: skip
    kind = kind if kind in kinds else CONFIDENCE
    found = ranked(run, kind)
    points = _decisions(run, part, kind)
    _curve(run, found, kinds[kind].lower(), points)
    _areas(found, part)


def ranked(run: Run, kind: str) -> Ranked:
    """Judge an order of certainty.

    Args:
        run: An evaluated run.
        kind: Of `ui.components.scores.CERTAINTIES`.

    Raises:
        RunError: If the predictions cannot be read.
    """
    return _ranked(str(run.path), stamp_of(run.predictions), kind)


@st.cache_resource(max_entries=16, show_spinner="Ranking…")
def _ranked(path: str, stamp: Stamp, kind: str) -> Ranked:  # noqa: ARG001
    part = predictions.part(Run(Path(path)))
    assert part.labels is not None
    given = part.mean, part.labels, of_part(part, kind)
    errors = int((~part.correct).sum())
    return Ranked(
        curve=risk_coverage_curve(*given),
        band=[(each, risk_at_coverage(*given, coverage=each)) for each in BAND],
        areas={
            "aurc": area_under_risk_coverage(*given),
            "augrc": area_under_generalised_risk_coverage(*given),
            "excess_aurc": excess_area(*given),
        },
        oracle=reference_areas(errors, len(part))[0],
    )


@st.cache_resource(max_entries=128, show_spinner=False)
def _decided(
    path: str,
    stamp: Stamp,  # noqa: ARG001 - part of the cache's key
    kind: str,
    risk: float | None,
    coverage: float | None,
) -> Estimate:
    part = predictions.part(Run(Path(path)))
    assert part.labels is not None
    given = part.mean, part.labels, of_part(part, kind)
    if risk is not None:
        return coverage_at_risk(*given, risk=risk)
    assert coverage is not None
    return risk_at_coverage(*given, coverage=coverage)


def _decisions(run: Run, part: Part, kind: str) -> list[tuple[str, float, float]]:
    """What can be had at a risk, and what a coverage costs; as points of the curve."""
    key = str(run.path), stamp_of(run.predictions), kind
    left, right = st.columns(2)
    with left, st.container(border=True, height="stretch"):
        risk = st.number_input(
            "Accept at most this share of errors, %", 0.0, 100.0, RISK, 0.5,
            format="%.1f", key="sel_risk", bind="query-params",
        )  # fmt: skip
        risk = min(100.0, max(0.0, float(risk))) / 100
        covered = _decided(*key, risk, None)
        _told("Answers", covered, f"the surest, of {count(len(part))} examples")
        st.caption(
            "The threshold is the luckiest on these very examples: the low end of the "
            "interval is the share to rely on."
        )
    with right, st.container(border=True, height="stretch"):
        coverage = st.number_input(
            "Answer this share of the examples, %", 0.5, 100.0, COVERAGE, 0.5,
            format="%.1f", key="sel_coverage", bind="query-params",
        )  # fmt: skip
        coverage = min(100.0, max(0.5, float(coverage))) / 100
        risked = _decided(*key, None, coverage)
        _told("Errors among them", risked, f"of {count(len(part))} examples in all")
        st.caption(
            f"Answering all gives {percent(float((~part.correct).mean()), 2)} errors."
        )
    return [
        (f"At most {100 * risk:g} % errors", float(covered), risk),
        (f"{100 * coverage:g} % answered", coverage, float(risked)),
    ]


def _told(name: str, found: Estimate, of: str) -> None:
    ends = f"{100 * found.low:.2f} to {100 * found.high:.2f} %"
    st.metric(
        name, percent(found, 2), f"95 %: {ends}, {of}", delta_color="off",
        delta_arrow="off",
    )  # fmt: skip


def _curve(
    run: Run, found: Ranked, by: str, points: list[tuple[str, float, float]]
) -> None:
    curve = found.curve
    panel(
        "Risk and coverage",
        risk_coverage_figure(curve, found.band, points),
        key="sel-curve",
        alt=f"Risk-coverage curve by {by}: AURC "
        f"{percent(found.areas['aurc'], 2)}, the oracle's {percent(found.oracle, 2)}, "
        f"{percent(curve.random, 2)} errors when all are answered.",
        note=f"{count(curve.num_examples)} test examples, the surest first. The oracle "
        "refuses all errors before any right prediction; a random choice refuses "
        "blindly.",
        revision=f"{run.id}-{by}",
    )


def _areas(found: Ranked, part: Part) -> None:
    rows: list[dict[str, Any]] = [
        {
            "Measure": label(name),
            "Value (95 % interval)": told(name, each),
            "What it is": plain(MEASURES[name].sentence),
        }
        for name, each in found.areas.items()
    ]
    rows.append({
        "Measure": "AURC of the oracle",
        "Value (95 % interval)": percent(found.oracle, 2),
        "What it is": "What no order of these predictions can beat.",
    })  # fmt: skip
    st.table(rows, border="horizontal", hide_index=True)
    samples = (
        f"{part.num_samples} weight samples"
        if part.num_samples > 1
        else "one set of weights"
    )
    st.caption(f"{count(len(part))} test examples, {samples}; ↓ lower is better.")

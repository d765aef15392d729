"""The wheel, and the archive with the library, a runnable example and a posterior."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from trainers.hyperparameters import OptimizerSpec
from trainers.parcel.bundle import bundle
from trainers.parcel.deployment import offers_posterior
from trainers.parcel.settings import MAKERS
from trainers.parcel.wheel import build_wheel
from trainers.runs import Run, list_runs
from trainers.status import FINISHED
from ui.components import reading
from ui.components.formats import plain
from ui.components.latest import stamp_of
from ui.views.optimizer.chosen import POSTERIOR
from ui.views.optimizer.packing import offered, sources

_CHOICE, _NONE = "optimizer-posterior", ""
_ELSEWHERE = {
    "torch.optim": "is part of torch: there is nothing to download.",
    "timm.optim": "is part of timm: `pip install timm`.",
}


def downloads(
    spec: OptimizerSpec,
    values: Mapping[str, Any],
    problems: list[str],
    runs: Mapping[str, Run],
) -> None:
    """Show the section.

    Args:
        spec: The optimizer.
        values: What stands in its fields.
        problems: What is wrong with that.
        runs: Finished runs whose posterior can come along, see `deployable`.
    """
    st.markdown("### Download")
    if not MAKERS[spec.name].ours:
        home = MAKERS[spec.name].imports.split()[1]
        st.markdown(f"{spec.title} {_ELSEWHERE[home]}")
        return
    left, right = st.columns(2)
    with left, st.container(border=True, height="stretch"):
        st.markdown("**Wheel**")
        st.caption(
            "The library, built from this checkout, for `pip install FILE`. It needs "
            "torch 2.11 or newer and nothing else."
        )
        offered("wheel", sources, build_wheel)
    with right, st.container(border=True, height="stretch"):
        st.markdown("**Archive**")
        st.caption(
            "The library's folder, the licence, and `example.py`, which trains with "
            "the values above in seconds, with torch alone."
        )
        run = _posterior(spec, runs) if spec.bayesian else None
        if problems:
            st.info("The archive can be had when the values above are in order.")
            return
        offered(
            "archive",
            partial(_content, spec, values, run),
            partial(bundle, spec, values, run),
        )


def _content(spec: OptimizerSpec, values: Mapping[str, Any], run: Run | None) -> str:
    """What is another one whenever something in the archive is."""
    stamps = [] if run is None else [str(run.path), *map(stamp_of, _files(run))]
    said = [spec.name, values, sources(), stamps]
    return json.dumps(said, sort_keys=True, default=str)


def _files(run: Run) -> tuple[Path, ...]:
    """What of a run goes into the archive, or decides about it."""
    return (
        run.posterior, run.config, run.evaluation, run.predictions, run.images,
    )  # fmt: skip


def _posterior(spec: OptimizerSpec, runs: Mapping[str, Run]) -> Run | None:
    """Let a finished run be chosen; the one of the address at first."""
    name = st.query_params.get(POSTERIOR, _NONE)
    if name not in runs and name:
        st.warning(
            f"There is no finished {spec.title} run {plain(repr(name[:128]))} with a "
            "posterior here.", icon=":material/search_off:",
        )  # fmt: skip
    answer = st.selectbox(
        "With the posterior of a finished run",
        [_NONE, *runs],
        index=[_NONE, *runs].index(name) if name in runs else 0,
        key=f"{_CHOICE}-{spec.name}",
        format_func=lambda each: each or "None",
        disabled=not runs,
        help="The posterior, the network's code and `predict.py`, which predicts as "
        "the run does.",
    )
    if not runs:
        st.caption(f"There is no finished {spec.title} run yet.")
    chosen = answer if answer in runs else _NONE
    if chosen:
        st.query_params[POSTERIOR] = chosen
    elif POSTERIOR in st.query_params:
        del st.query_params[POSTERIOR]
    return runs.get(chosen)


def deployable(spec: OptimizerSpec) -> dict[str, Run]:
    """Finished runs of an optimizer that have a posterior, by id, the newest first."""
    if not (spec.bayesian and MAKERS[spec.name].ours):
        return {}
    views, _ = reading.summaries(list_runs(), patience=0.0)  # no results are wanted
    return {
        view.run.id: view.run
        for view in views
        if view.state == FINISHED
        and view.config is not None
        and view.config.optimizer.name == spec.name
        and offers_posterior(view.run, view.config)
    }

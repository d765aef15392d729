"""The wheel, and the archive with the library, a runnable example and a posterior."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from trainers.hyperparameters import OptimizerSpec
from trainers.parcel.archive import Parcel
from trainers.parcel.bundle import bundle
from trainers.parcel.deployment import offers_posterior
from trainers.parcel.settings import MAKERS
from trainers.parcel.wheel import (
    LICENCE,
    ParcelError,
    build_wheel,
    library_files,
    licence,
    sources_digest,
)
from trainers.runs import Run, RunError, list_runs
from trainers.status import FINISHED
from ui.components import reading
from ui.components.formats import plain
from ui.components.reading import stamp_of
from ui.views.optimizer.chosen import POSTERIOR

_CHOICE, _NONE = "optimizer-posterior", ""
_ELSEWHERE = {
    "torch.optim": "is part of torch: there is nothing to download.",
    "timm.optim": "is part of timm: `pip install timm`.",
}


def downloads(
    spec: OptimizerSpec, values: Mapping[str, Any], problems: list[str]
) -> None:
    """Show the section."""
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
        _offered("wheel", build_wheel)
    with right, st.container(border=True, height="stretch"):
        st.markdown("**Archive**")
        st.caption(
            "The library's folder, the licence, and `example.py`, which trains with "
            "the values above in seconds, with torch alone."
        )
        run = _posterior(spec) if spec.bayesian else None
        if problems:
            st.info("The archive can be had when the values above are in order.")
            return
        _offered("archive", lambda: _archive(spec, values, run))


def _archive(spec: OptimizerSpec, values: Mapping[str, Any], run: Run | None) -> Parcel:
    """The archive, packed anew only when something in it has changed."""
    sources = sources_digest({**library_files(), LICENCE: licence()})
    stamps = [] if run is None else [str(run.path), *map(stamp_of, _files(run))]
    key = json.dumps([spec.name, values, sources, stamps], sort_keys=True, default=str)
    return _packed(key, spec, values, run)


def _files(run: Run) -> tuple[Path, ...]:
    """What of a run goes into the archive, or decides about it."""
    return (
        run.posterior, run.config, run.evaluation, run.predictions, run.images,
    )  # fmt: skip


@st.cache_resource(max_entries=4, show_spinner=False)
def _packed(
    key: str,  # noqa: ARG001 - what the archive depends on
    _spec: OptimizerSpec,
    _values: Mapping[str, Any],
    _run: Run | None,
) -> Parcel:
    return bundle(_spec, _values, _run)


def _offered(name: str, make: Callable[[], Parcel]) -> None:
    """A button for a file, with its hash; what cannot be made says why."""
    try:
        with st.spinner("Packing ...", show_time=False):
            parcel = make()
    except (ParcelError, RunError) as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    except OSError as error:
        reason = plain(error.strerror or type(error).__name__)
        st.error(f"It cannot be packed: {reason}.", icon=":material/error:")
        return
    size = len(parcel.content) / 1e6
    st.download_button(
        f"{plain(parcel.name)} ({size:.1f} MB)", parcel.content, parcel.name,
        "application/zip", key=f"optimizer-{name}", icon=":material/download:",
        on_click="ignore",
    )  # fmt: skip
    st.caption("SHA-256")
    st.code(parcel.sha256, language=None, wrap_lines=True)


def _posterior(spec: OptimizerSpec) -> Run | None:
    """Let a finished run be chosen; the one of the address at first."""
    runs = _deployable(spec)
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


def _deployable(spec: OptimizerSpec) -> dict[str, Run]:
    """Finished runs of an optimizer that have a posterior, by id, the newest first."""
    views, _ = reading.summaries(list_runs())
    return {
        view.run.id: view.run
        for view in views
        if view.state == FINISHED
        and view.config is not None
        and view.config.optimizer.name == spec.name
        and offers_posterior(view.run, view.config)
    }

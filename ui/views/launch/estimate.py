"""The estimate of the launch page: what runs would take, measured when asked for."""

import time
from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from trainers.config import RunConfig
from trainers.costs import BUSY, NOTHING, Span
from trainers.errands import RUNNING
from trainers.uncounted import uncounted
from ui.components import access
from ui.components.engine import attempt
from ui.components.formats import age, count, counted, plain
from ui.components.guarded import fragment
from ui.views.launch import measuring
from ui.views.launch.measuring import MAX_KINDS, Found, Work

REFRESH = 1.0  # seconds between two looks while it is measured
_WANTED = "estimate-wanted"  # in the session: the kinds that were asked for
_UNITS = ((1.0, "s"), (60.0, "min"), (3600.0, "h"), (86_400.0, "days"))


def estimate(configs: Sequence[RunConfig]) -> None:
    """Show what runs would take, or offer to measure it.

    Args:
        configs: All of them, at least one.
    """
    kinds = measuring.kinds(configs)
    if len(kinds) > MAX_KINDS:
        st.caption(
            f":material/timer: No estimate: these runs are of {len(kinds)} kinds, and "
            f"at most {MAX_KINDS} are measured."
        )
        return
    work = measuring.look()
    under_way = work is not None and work.state == RUNNING
    interval = REFRESH if under_way else None
    fragment("The estimate", _shown, interval)(configs, kinds, under_way)


def _shown(
    configs: Sequence[RunConfig], kinds: Mapping[str, RunConfig], under_way: bool
) -> None:
    found, work = measuring.known(list(kinds)), measuring.look()
    if work is not None and work.state == RUNNING:
        _progress(kinds, work)
        return
    _go_on(kinds, work)
    if under_way:  # it has ended: stop looking
        st.rerun()
    if len(found) == len(kinds):
        _result(configs, found)
    elif work is not None and work.problem and work.kind in kinds:
        st.warning(plain(work.problem), icon=":material/timer_off:")
    missing = [kind for kind in kinds if kind not in found]
    _button(kinds, missing or list(kinds), again=not missing)


def _button(kinds: Mapping[str, RunConfig], wanted: Sequence[str], again: bool) -> None:
    if st.button(
        "Measure again" if again else "Estimate time and memory",
        key="estimate", icon=":material/refresh:" if again else ":material/timer:",
        width="content" if again else "stretch",
        type="tertiary" if again else "secondary", disabled=not access.may_edit(),
        help="Does a few training steps on random inputs, for some "
        f"{measuring.SECONDS} seconds"
        + (f" for each of {len(wanted)} kinds of runs." if len(wanted) > 1 else "."),
    ):  # fmt: skip
        st.session_state[_WANTED] = list(wanted)
        first = wanted[0]
        attempt([partial(measuring.begin, first, kinds[first])])


def _go_on(kinds: Mapping[str, RunConfig], work: Work | None) -> None:
    """Measure the next of the kinds that were asked for, if all went well."""
    wanted = st.session_state.get(_WANTED, [])
    if work is None or work.problem or work.kind not in wanted:
        return
    left = wanted[wanted.index(work.kind) + 1 :]
    if left and left[0] in kinds:
        attempt([partial(measuring.begin, left[0], kinds[left[0]])])


def _progress(kinds: Mapping[str, RunConfig], work: Work) -> None:
    wanted = st.session_state.get(_WANTED, [])
    if work.kind not in kinds:
        told = "Another estimate is being made"
    elif len(wanted) > 1 and work.kind in wanted:
        told = f"Measuring kind {wanted.index(work.kind) + 1} of {len(wanted)}"
    else:
        told = "Measuring a few steps"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f":material/hourglass_top: {told}, {round(work.seconds)} s")
        if st.button(
            "Stop", icon=":material/stop_circle:", key="estimate-stop",
            type="tertiary", disabled=not access.may_edit(),
        ):  # fmt: skip
            attempt([measuring.end])


def _result(configs: Sequence[RunConfig], found: Mapping[str, Found]) -> None:
    ordered = [found[measuring.kind_of(config)] for config in configs]
    for each in found.values():
        if not each.cost.fits:
            cost = each.cost
            st.warning(
                plain(cost.problem) or f"It would not fit: {size(cost.memory)} of "
                f"memory are needed, {size(cost.available)} are free.",
                icon=":material/memory_alt:",
            )  # fmt: skip
            return
    st.markdown(f":material/timer: {summary(configs, ordered)}")
    st.caption(plain(details(ordered, time.time(), configs)))


def total(configs: Sequence[RunConfig], found: Sequence[Found]) -> Span:
    """Seconds of all runs, one after the other."""
    spans = [it.cost.total(config) for config, it in zip(configs, found, strict=True)]
    return sum(spans, NOTHING)


def summary(configs: Sequence[RunConfig], found: Sequence[Found]) -> str:
    """What the runs would take, in a line of Markdown.

    Args:
        configs: The runs.
        found: What was measured of each.
    """
    largest = max(it.cost.memory for it in found)
    parameters = sorted({it.cost.parameters for it in found})
    words = [f"**about {spanned(total(configs, found))}**"]
    if len(configs) > 1:
        words[0] += " altogether, one after the other"
    most = " at most" if len(configs) > 1 else ""
    words.append(f"{size(largest)} of memory{most}")
    amount = amounts(parameters[0])
    if len(parameters) > 1:
        amount += f" to {amounts(parameters[-1])}"
    return ", ".join([*words, f"{amount} parameters"])


def details(
    found: Sequence[Found], now: float, configs: Sequence[RunConfig] = ()
) -> str:
    """Where and when it was measured, and what to make of it.

    Args:
        found: What was measured.
        now: The time.
        configs: The runs, of which is told what no measurement has in it.
    """
    last, kinds = found[-1], list(dict.fromkeys(it.cost for it in found))
    when = age(max(0.0, now - min(it.time for it in found)))
    told = f"Measured on {last.cost.device} {when}"
    if len(kinds) == 1:
        step = 1000 * last.cost.step.middle
        told += f": {step:.3g} ms a step, {counted(last.cost.num_steps, 'step')}"
    told += "."
    if any(it.cost.load > BUSY for it in found):
        told += " The machine was busy: alone it is faster."
    left_out = filter(None, dict.fromkeys(map(uncounted, configs)))
    return " ".join([told, *left_out])


def spanned(span: Span) -> str:
    """A time with its range, `240` -> `4 min (3 to 6)`."""
    scale, unit = next(
        (pair for pair in reversed(_UNITS) if span.middle >= 1.5 * pair[0]), _UNITS[0]
    )
    low, middle, high = (f"{each / scale:.2g}" for each in span)
    if float(high) >= 100:  # "1.2e+02"
        low, middle, high = (count(round(each / scale)) for each in span)
    return f"{middle} {unit} ({low} to {high})"


def size(num_bytes: float) -> str:
    """Bytes for people, `1200000000` -> `1.2 GB`."""
    if num_bytes < 1e9:
        return f"{num_bytes / 1e6:.0f} MB"
    return f"{num_bytes / 1e9:.1f} GB"


def amounts(parameters: int) -> str:
    """A number of parameters, `11200000` -> `11.2 M`."""
    if parameters < 1e6:
        return count(parameters)
    return f"{parameters / 1e6:.1f} M"

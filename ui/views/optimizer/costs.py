"""What an optimizer costs and brings, as measured by the scripts in `benchmarks/`."""

from collections.abc import Mapping, Sequence

import streamlit as st

from calibration.report import written
from trainers.hyperparameters import OptimizerSpec
from ui.components.formats import count, decimal, percent, plain
from ui.components.guarded import fragment, guarded
from ui.components.plot import panel
from ui.views.optimizer import measured
from ui.views.optimizer.figures import cost_figure, steps_figure
from ui.views.optimizer.measured import (
    COMMANDS,
    LARGE_BATCH,
    NETWORKS,
    QUALITY,
    STEP_COST,
    Row,
    Spread,
    machine,
    title,
)

TARGETS = {"88 %": 0.88, "89.5 %": 0.895}
_MINUS = str.maketrans("-", "\N{MINUS SIGN}")
_TO = "\N{WORD JOINER}\N{EN DASH}\N{WORD JOINER}"  # narrow cells must not break there
# Columns of the table of quality: title, digits, and the measure that it is.
_COLUMNS = {
    "accuracy": ("Accuracy", 3, "accuracy"),
    "nll": ("NLL", 3, "nll"),
    "ece": ("ECE", 4, "ece"),
    "ood_auroc": ("OOD AUROC", 3, "auroc"),
}


def costs(spec: OptimizerSpec) -> None:
    """Show the section."""
    st.markdown("### Measured here")
    with guarded("What a step costs"):
        _step_cost(spec)
    with guarded("What it brings"):
        _quality(spec)
    with guarded("The effect of the batch size"):
        _large_batch(spec)


def _step_cost(spec: OptimizerSpec) -> None:
    found, files = measured.step_costs(spec.name)
    if not found:
        _missing("Time of a step", STEP_COST)
        return
    told = ", ".join(
        f"{NETWORKS[row['network']]} {row['ratio']:.2f}"
        for row in found
        if row["method"] == spec.name
    )
    left, right = st.columns(2)
    with left:
        panel(
            "Time of a step",
            cost_figure(found),
            key=f"cost-{spec.name}",
            alt=f"A step of {spec.title} takes, with AdamW's as 1: {told}.",
            note="Forward, backward and update, with AdamW's in the same process as 1: "
            "median, and the middle half of the repeats.",
        )
    with right, st.container(border=True, height="stretch", gap="xsmall"):
        st.markdown("**Time and memory in numbers**")
        st.caption("Memory is the peak of a step beside the peak of AdamW's.")
        st.markdown(cost_table([row for row in found if row["method"] == spec.name]))
    _source(files)


def cost_table(rows: Sequence[Row]) -> str:
    """Milliseconds and memory of a step, as a table in Markdown."""
    lines = ["| Network | AdamW = 1 | Time | Memory |", "|---|--:|--:|--:|"]
    lines += [
        f"| {NETWORKS[row['network']]} | {_interval(row)} | "
        f"{decimal(row['milliseconds'], 1)} ms | {_memory(row['extra_mib'])} |"
        for row in rows
    ]
    return "\n".join(lines)


def _interval(row: Row) -> str:
    low, high = row.get("ratio_low"), row.get("ratio_high")
    if low is None or high is None or low == high:
        return f"{row['ratio']:.2f}"
    return f"{row['ratio']:.2f} ({low:.2f}{_TO}{high:.2f})"


def _memory(mebibytes: float | None) -> str:
    if mebibytes is None:
        return "not measured"
    rounded = round(mebibytes)
    return f"{rounded:+d} MiB".translate(_MINUS) if rounded else "the same"


def _quality(spec: OptimizerSpec) -> None:
    found = measured.quality()
    if not found:
        _missing("Quality", (QUALITY,))
        return
    with st.container(border=True, gap="xsmall"):
        st.markdown("**Quality on Fashion-MNIST**")
        st.caption(
            "LeNet-5, 60,000 images, 20 epochs, every method with one setting: mean "
            "over seeds, smallest and largest; the best NLL first, and the best of "
            "each column **bold**. OOD: digits. Bayesian ones average 32 draws of the "
            "weights, ensembles all of their networks."
        )
        st.markdown(quality_table(found, spec.name))
        if spec.name not in found:
            st.caption(f"{spec.title} was not measured on this one.")
    _source([QUALITY])


def quality_table(found: Mapping[str, Mapping[str, Spread]], chosen: str) -> str:
    """The methods side by side, the best of each column bold, in Markdown.

    Args:
        found: Measures by method.
        chosen: The method that the page is about, which the table points out.
    """
    best = {
        key: written.best(measure, [values[key].mean for values in found.values()])
        for key, (_, _, measure) in _COLUMNS.items()
    }
    heads = [head for head, _, _ in _COLUMNS.values()]
    lines = [f"| Method | {' | '.join(heads)} | Seeds |", f"|---|{5 * '--:|'}"]
    for method, values in found.items():
        this = " :small[(this one)]" if method == chosen else ""
        cells = [
            _cell(values[key], digits, strong=values[key].mean == best[key])
            for key, (_, digits, _) in _COLUMNS.items()
        ]
        cells = [plain(title(method)) + this, *cells, str(values["nll"].count)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values: Spread, digits: int, *, strong: bool) -> str:
    mean = f"{values.mean:.{digits}f}"
    return (f"**{mean}**" if strong else mean) + _range(values, digits)


def _range(values: Spread, digits: int) -> str:
    if values.count == 1:
        return ""
    return f" ({values.low:.{digits}f}{_TO}{values.high:.{digits}f})"


def _large_batch(spec: OptimizerSpec) -> None:
    if not any(spec.name in measured.large_batch(each) for each in TARGETS.values()):
        _missing("Steps by batch size", (LARGE_BATCH,))
        return
    fragment("Steps by batch size", _steps)(spec)


def _steps(spec: OptimizerSpec) -> None:
    """The chart with its switch, which runs again alone."""
    name = st.segmented_control(
        "Steps to a test accuracy of", list(TARGETS), default=next(iter(TARGETS)),
        required=True, key="optimizer-target", bind="query-params",
    )  # fmt: skip
    name = name if name in TARGETS else next(iter(TARGETS))
    methods = measured.large_batch(TARGETS[name])
    mine = methods.get(spec.name, [])
    if not mine:
        st.caption(f"{spec.title} was not trained for {name}.")
        return
    told = ", ".join(f"{_steps_of(row)} at {count(row['batch_size'])}" for row in mine)
    seeds = ", ".join(
        f"{row.get('num_seeds')} at {count(row['batch_size'])}" for row in mine
    )
    panel(
        f"Steps to {name} by batch size",
        steps_figure(methods, spec.name),
        key=f"steps-{spec.name}",
        alt=f"Steps of {spec.title} to a test accuracy of {name}: {told}.",
        note="LeNet-5 on Fashion-MNIST, each method with the same small search at each "
        f"batch size; median over seeds, of which {spec.title} had {seeds}. A line has "
        "no point where the accuracy is not reached.",
        revision=f"{spec.name} {name}",
    )
    _source([LARGE_BATCH])


def _steps_of(row: Row) -> str:
    steps = row["steps"]
    if steps is not None:
        return f"{count(steps)} steps"
    return f"not reached ({percent(row.get('best_accuracy'))} at best)"


def _missing(what: str, files: Sequence[str]) -> None:
    """Say how results are made where there are none; of others' there is nothing."""
    if not any(measured.rows(name) for name in files):
        command = f"`{COMMANDS[files[0]]}`"
        st.caption(f"{what}: this copy has no results; {command} makes them.")


def _source(files: Sequence[str]) -> None:
    """Say who printed it, and on what machine."""
    for name in files:
        told = machine(name)
        where = plain(told) if told else "The machine is in the README, under Results"
        st.caption(f"{where}. Printed by `{COMMANDS[name]}`.")

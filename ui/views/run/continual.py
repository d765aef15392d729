"""The tab of a run that learns tasks one after another: what is left of each."""

from collections.abc import Mapping

import streamlit as st

from data import dataset_spec
from trainers.continual.findings import columns, final_rows, note, verdict
from trainers.continual.record import Course, Record, read_record
from trainers.continual.settings import METHODS, ContinualSettings
from trainers.runs import Run
from trainers.status import ALIVE
from ui.components.formats import count, counted, plain
from ui.components.guarded import fragment
from ui.components.plot import panel
from ui.components.reading import Summary
from ui.views.run.task_figures import (
    average_alt,
    average_figure,
    triangle_alt,
    triangle_figure,
)

REFRESH = 2.0  # seconds between two looks at a live run
METHOD = "continual_of"  # whose tasks are drawn; a name in the address too
ABOUT = (
    "A network that learns one task after another forgets the earlier ones, unless it "
    "knows which of its weights they need. VOGN does: its posterior after a task is "
    "the prior of the next."
)


def render(view: Summary) -> None:
    """Show what is known so far, anew while the run is alive."""
    alive = view.state in ALIVE
    fragment("The tasks", _live, REFRESH if alive else None)(view.run)


def _live(run: Run) -> None:
    record = read_record(run)
    st.markdown(ABOUT)
    st.caption(plain(told(record)))
    known = {n: course for n, course in record.courses.items() if course.num_tasks}
    if not known:
        st.info(
            "The first accuracies appear here when the first task has been learned.",
            icon=":material/hourglass_empty:",
        )
        return
    if sentence := verdict(record):
        st.markdown(f"**{plain(sentence)}**")
    panel(
        "Average accuracy on the tasks learned so far",
        average_figure(record),
        key="continual-average",
        alt=average_alt(record),
        revision=run.id,
    )
    _triangle(run, record, known)
    _numbers(record)


def told(record: Record) -> str:
    """What the tasks are, in plain words."""
    settings = record.settings
    images = f"{count(settings.num_train)} " if settings.num_train else ""
    judged = "held-out" if settings.validate else "test"
    tested = f" {count(record.num_test)}" if record.num_test else ""
    hidden = " and ".join(map(str, settings.hidden))
    return (
        f"{settings.tasks} tasks: the same {images}training images of "
        f"{dataset_spec(settings.dataset).title}, their pixels in another order in "
        f"each. {counted(settings.epochs, 'epoch')} a task, an MLP with {hidden} "
        f"hidden units and one head; accuracy on the{tested} {judged} images. "
        f"{_strengths(settings)}"
    ).strip()


def _strengths(settings: ContinualSettings) -> str:
    parts = []
    if "vogn" in settings.methods:
        parts.append(f"VOGN's prior counts a task {settings.prior_strength:g} times")
    if "ewc" in settings.methods:
        parts.append(f"EWC's penalty weighs {settings.ewc_strength:g}")
    return f"{'; '.join(parts)}." if parts else ""


def _triangle(run: Run, record: Record, known: Mapping[str, Course]) -> None:
    options = list(known)
    name = st.segmented_control(
        "Every task after each", options, default=options[0], key=METHOD,
        format_func=METHODS.__getitem__, bind="query-params", required=True,
    )  # fmt: skip
    name = name if name in known else options[0]
    panel(
        f"Accuracy of {METHODS[name]} on each task after each",
        triangle_figure(record, name),
        key="continual-tasks",
        alt=triangle_alt(known[name], name),
        note="Down a column, what later tasks leave of a task. One scale for all "
        "methods.",
        revision=f"{run.id} {name}",
    )


def _numbers(record: Record) -> None:
    st.markdown("### Numbers")
    heads = columns(record)
    rows = [dict(zip(heads, row, strict=True)) for row in final_rows(record)]
    st.table(rows, border="horizontal", hide_index=True)
    st.caption(note(record))

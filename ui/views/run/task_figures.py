"""Figures of tasks learned one after another."""

from typing import Any

from trainers.continual.findings import JOINT
from trainers.continual.record import Course, Record, forgetting
from trainers.continual.settings import METHODS
from ui.components.figure import MUTED, PERCENT, Figure, axis, figure, line
from ui.components.formats import percent

HEIGHT = 320
MOST_WRITTEN = 12  # tasks up to which the map has room for numbers
_ROW = 30  # pixels of a task in the map


def average_figure(record: Record) -> Figure:
    """Draw average accuracy after each task, a line a method, joint training dashed."""
    drawn = [_line(n, c) for n, c in record.courses.items() if c.num_tasks]
    last = record.settings.tasks
    return figure(
        drawn,
        x=axis("Tasks learned", range=[0.7, last + 0.3], tick0=1, dtick=1 + last // 20),
        y=axis("Average accuracy", tickformat=PERCENT),
        height=HEIGHT,
    )


def _line(name: str, course: Course) -> dict[str, Any]:
    title, joint = METHODS[name], name == JOINT
    color = MUTED if joint else f"@{1 + list(METHODS).index(name)}"
    drawn = line(
        title, range(1, course.num_tasks + 1), course.averages, color, markers=True,
        hovertemplate=f"{title} after task %{{x}}: %{{y:.1%}}<extra></extra>",
    )  # fmt: skip
    drawn["line"]["dash"] = "dash" if joint else "solid"
    return drawn


def average_alt(record: Record) -> str:
    """Say in a sentence what the lines show."""
    each = [
        f"{METHODS[name]} {percent(course.averages[-1])} after task {course.num_tasks}"
        for name, course in record.courses.items()
        if course.num_tasks
    ]
    return f"Average accuracy after each task: {', '.join(each)}."


def triangle_figure(record: Record, name: str) -> Figure:
    """Draw accuracy on each task after each as a map, stronger where it is higher.

    Args:
        record: Of the run; the scale is that of all its methods.
        name: Of the method; it has learned a task.
    """
    rows = record.courses[name].accuracy
    every = [v for c in record.courses.values() for row in c.accuracy for v in row]
    numbers = [str(k + 1) for k in range(len(rows))]
    padded = [[*row, *[None] * (len(rows) - len(row))] for row in rows]
    written = len(rows) <= MOST_WRITTEN
    heat = {
        "type": "heatmap", "x": numbers, "y": numbers, "z": padded,
        "text": [[percent(v) if v is not None else "" for v in row] for row in padded],
        **({"texttemplate": "%{text}"} if written else {}),
        "textfont": {"size": 11, "color": "@text"},
        "hovertemplate": "Task %{x} after task %{y}: %{z:.1%}<extra></extra>",
        # One half of the scale, on all of which text can be read.
        "colorscale": "@sequential", "showscale": False,
        "zmin": min(every), "zmax": 2 * max(every) - min(every),
        "xgap": 2, "ygap": 2, "hoverongaps": False,
    }  # fmt: skip
    return figure(
        [heat],
        x=axis("Accuracy on task", type="category", showgrid=False),
        y=axis("After task", type="category", showgrid=False, autorange="reversed"),
        height=70 + _ROW * len(rows),
    )


def triangle_alt(course: Course, name: str) -> str:
    """Say in a sentence what the map shows."""
    lost = forgetting(course.accuracy)
    first, last = course.accuracy[0][0], course.accuracy[-1][0]
    told = (
        f"{METHODS[name]}: the first task falls from {percent(first)} right after it "
        f"to {percent(last)} after task {course.num_tasks}"
        if last < first
        else f"{METHODS[name]}: the first task is at {percent(first)} right after it "
        f"and at {percent(last)} after task {course.num_tasks}"
    )
    return f"{told}." if lost is None else f"{told}; {100 * lost:.1f} points a task."

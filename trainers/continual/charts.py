"""What came of a run as charts and tables: data, whoever draws it.

Torch-free.
"""

from calibration.report.chart import Axis, Chart, Line, Panel
from calibration.report.colors import look
from calibration.report.document import Cell, Column, Table
from trainers.continual.findings import JOINT, columns, final_rows, note, percent
from trainers.continual.record import Course, Record
from trainers.continual.settings import METHODS

HEIGHT = 360


def average_chart(record: Record) -> Chart:
    """Average accuracy after each task, a line a method."""
    marks = [
        Line(
            name=METHODS[name], x=list(range(1, course.num_tasks + 1)),
            y=course.averages, color=_color(name), symbol=_symbol(name),
            dash="dash" if name == JOINT else "solid",
        )
        for name, course in record.courses.items()
    ]  # fmt: skip
    last = record.settings.tasks
    ticks = {float(task): str(task) for task in range(1, last + 1, 1 + last // 20)}
    return Chart(
        panels=[Panel(marks=marks, y=Axis(title="Average accuracy", percent=True))],
        x=Axis(title="Tasks learned", low=0.8, high=last + 0.2, ticks=ticks),
        height=HEIGHT,
    )


def _color(name: str) -> str:
    return "muted" if name == JOINT else look(list(METHODS).index(name)).color


def _symbol(name: str) -> str:
    return look(list(METHODS).index(name)).symbol


def average_alt(record: Record) -> str:
    """Say in a sentence what the lines show."""
    each = [
        f"{METHODS[name]} {percent(course.averages[-1])} after task {course.num_tasks}"
        for name, course in record.courses.items()
        if course.num_tasks
    ]
    return f"Average accuracy after each task: {', '.join(each) or 'none yet'}."


def final_table(record: Record) -> Table:
    """The numbers as a table."""
    return Table(
        caption=f"After {_tasks(record)} tasks",
        columns=[
            Column(text=name, words=place == 0)
            for place, name in enumerate(columns(record))
        ],
        rows=[[Cell(text=text) for text in row] for row in final_rows(record)],
        note=note(record),
    )


def _tasks(record: Record) -> str:
    counts = {course.num_tasks for course in record.courses.values()}
    least, most = min(counts), max(counts)
    return str(most) if least == most else f"{least} to {most}"


def triangle_table(name: str, course: Course) -> Table:
    """Accuracy of a method on each task after each, darker where it is higher.

    Args:
        name: Of the method.
        course: With one task at least.
    """
    values = [value for row in course.accuracy for value in row]
    low, high = min(values), max(values)

    def cell(value: float) -> Cell:
        return Cell(text=percent(value), shade=(value - low) / ((high - low) or 1.0))

    count = course.num_tasks
    rows = [
        [Cell(text=f"after task {k + 1}"), *map(cell, row),
         *[Cell(text="")] * (count - len(row))]
        for k, row in enumerate(course.accuracy)
    ]  # fmt: skip
    columns = [f"task {k + 1}" for k in range(count)]
    return Table(
        caption=f"{METHODS[name]}: accuracy by task",
        columns=[Column(text="", words=True), *(Column(text=c) for c in columns)],
        rows=rows,
        even=True,
    )

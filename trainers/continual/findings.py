"""What came of a run in numbers and sentences.

Without torch and without the libraries of a report.
"""

from collections.abc import Sequence

from trainers.continual.record import Course, Record, forgetting, just_learned
from trainers.continual.settings import METHODS

_COLUMNS = ("Method", "Average accuracy", "Of joint training", "Just learned",
           "Forgotten", "Seconds")  # fmt: skip
_NOTE = (
    "Average accuracy: over all tasks learned so far. Just learned: accuracy on each "
    "task right after it was learned, averaged. Forgotten: how much of that is lost at "
    "the end, averaged over all tasks but the last."
)
_OF_JOINT = "Joint training learns all tasks at once and shows what there is to be had."
JOINT = "joint"
_SHARE = 2  # place of the column of its share


def has_joint(record: Record) -> bool:
    """Whether joint training is among the methods."""
    return JOINT in record.courses


def columns(record: Record) -> tuple[str, ...]:
    """Heads of the table: without joint training none of its share."""
    return _COLUMNS if has_joint(record) else _without_share(_COLUMNS)


def note(record: Record) -> str:
    """What they mean."""
    return f"{_NOTE} {_OF_JOINT}" if has_joint(record) else _NOTE


def _without_share(row: tuple[str, ...]) -> tuple[str, ...]:
    return (*row[:_SHARE], *row[_SHARE + 1 :])


def final_rows(record: Record) -> list[tuple[str, ...]]:
    """The numbers of each method that has learned a task, in the order of `columns`."""
    rows = [
        _final(METHODS[name], course, record.courses.get(JOINT))
        for name, course in record.courses.items()
        if course.num_tasks
    ]
    return rows if has_joint(record) else [_without_share(row) for row in rows]


def _final(title: str, course: Course, joint: Course | None) -> tuple[str, ...]:
    lost, last = forgetting(course.accuracy), course.averages[-1]
    share = ""
    if joint is not None and joint.num_tasks >= course.num_tasks:
        share = percent(last / joint.averages[course.num_tasks - 1])
    return (
        title,
        percent(last),
        share,
        percent(just_learned(course.accuracy)),
        "" if lost is None else f"{100 * lost:.1f} points",
        f"{sum(course.seconds):.0f}",
    )


def verdict(record: Record) -> str:
    """What it means, in a sentence or two; "" while there is nothing to compare."""
    courses = record.courses
    known = [name for name, c in courses.items() if c.num_tasks]
    if "vogn" not in known:
        return ""
    tasks = courses["vogn"].num_tasks
    ours = courses["vogn"].averages[-1]
    parts = []
    for name in known:
        other = courses[name]
        if name != "vogn" and other.num_tasks >= tasks:
            theirs = other.averages[tasks - 1]
            parts.append(_against(name, ours, theirs))
    plural = "s" * (tasks != 1)
    told = (
        f"After {tasks} task{plural} VOGN is right on {percent(ours)} of their images"
    )
    return f"{told}: {_listed(parts)}." if parts else f"{told}."


def _against(name: str, ours: float, theirs: float) -> str:
    if name == JOINT:
        return f"{percent(ours / theirs)} of what joint training on all tasks reaches"
    points = 100 * (ours - theirs)
    side = "more" if points >= 0 else "fewer"
    return f"{abs(points):.1f} points {side} than {METHODS[name]}"


def _listed(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def percent(share: float) -> str:
    """A share as a percentage, such as "90.0 %"."""
    return f"{100 * share:.1f} %"

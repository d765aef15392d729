"""What entries cost, and what their numbers rest on."""

from collections.abc import Iterable, Sequence

from trainers.status import ENDED
from ui.components.durations import was_resumed, worked
from ui.components.formats import MISSING, compact, count, duration
from ui.components.reading import Summary
from ui.views.compare.groups import Entry
from ui.views.compare.logged import logged
from ui.views.compare.measured import known, scores

NOTHING = f"\\{MISSING}"  # in Markdown a dash alone would begin a list


def facts(entry: Entry) -> dict[str, str]:
    """What an entry cost and rests on: time, epochs, samples, examples."""
    told = [each for view in entry.views if (each := known(view, scores))]
    logs = [logged(view.run) for view in entry.views]
    config = entry.views[0].config
    return {
        "Total time": _mean_time(entry.views),
        "Epochs": _epochs(
            [log.epochs for log in logs], config.training.epochs if config else None
        ),
        "Seconds per epoch": _mean([log.pace for log in logs]),
        "Posterior samples S": _several(each.num_samples for each in told),
        "Test examples N": _several(each.num_examples for each in told),
    }


def resumed(entries: Sequence[Entry]) -> bool:
    """Whether the time of any run leaves out a pause."""
    statuses = (view.status for entry in entries for view in entry.views)
    return any(was_resumed(status) for status in statuses if status)


def _mean_time(views: Sequence[Summary]) -> str:
    """Of the runs that have ended, evaluation included."""
    ended = [view for view in views if view.status and view.status.state in ENDED]
    spans = [span for view in ended if (span := worked(view)) is not None]
    return duration(sum(spans) / len(spans)) if spans else NOTHING


def _epochs(done: Sequence[float], planned: int | None) -> str:
    least = f"{compact(min(done))} to " if min(done) < max(done) else ""
    of = f" of {planned}" if planned and min(done) < planned else ""
    return f"{least}{compact(max(done))}{of}"


def _mean(numbers: Iterable[float | None]) -> str:
    known_ones = [number for number in numbers if number is not None]
    return compact(sum(known_ones) / len(known_ones)) if known_ones else NOTHING


def _several(numbers: Iterable[int]) -> str:
    return ", ".join(count(each) for each in sorted(set(numbers))) or NOTHING

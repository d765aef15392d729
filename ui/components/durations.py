"""How long a run was at work, without the pauses between a stop and a resume."""

from trainers.runs import Run
from trainers.status import Status
from ui.components import reading
from ui.components.latest import Latest, stamp_of
from ui.components.reading import Summary
from ui.components.series import unbroken, value

START = 60.0  # seconds in which the processes of one start come up, ranks after others
_trained: Latest[float] = Latest()


def worked(view: Summary) -> float | None:
    """Seconds that a run was at work so far, evaluation included.

    Args:
        view: The run.

    Returns:
        From its start to its end or last sign of life. Of a run that was resumed, the
        time of its training, which its rows carry on, and what came after it since;
        None before it starts.
    """
    status = view.status
    if status is None or status.started is None:
        return None
    until = status.ended or status.heartbeat or status.started
    if not was_resumed(status) or status.trainer is None:
        return max(0.0, until - status.started)
    # A copied folder may have newer files: then the time of the training alone is left.
    after = max(status.trainer.started, stamp_of(view.run.metrics)[0] / 1e9)
    return _training(view.run) + max(0.0, until - after)


def was_resumed(status: Status) -> bool:
    """Whether the process of a run is too young to have begun it.

    One that was resumed within a minute of its start is not told from one of several
    ranks, whose launcher began it; its pause was as short.
    """
    if status.started is None or status.trainer is None:
        return False
    return status.trainer.started > status.started + START


def _training(run: Run) -> float:
    """Seconds of training as the newest row tells."""
    stamp = stamp_of(run.metrics)
    known = _trained.get(run.metrics, stamp)
    if known is not None:
        return known
    rows = unbroken(reading.metrics(run))
    spans = [value(row.get("seconds")) or 0.0 for row in rows[-1:]]
    return _trained.put(run.metrics, stamp, max(spans, default=0.0))

"""What runs have logged, worked up once for each state of the file.

Curves that move are drawn anew every few seconds: of the many runs that have ended
meanwhile, nothing is looked at twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainers.runs import Run
from ui.components import reading
from ui.components.latest import Latest, stamp_of
from ui.components.series import Row, unbroken, value

_PLACES = {"kind", "step", "epoch", "seconds"}  # what tells where, not what
_MOST = 256  # runs; a page shows at most 200


@dataclass(frozen=True, eq=False)
class Log:
    """The rows of one run.

    Args:
        rows: Rows of metrics.jsonl whose times never go back.
        kinds: By name of a metric, in which kinds of rows it has a number.
        epochs: Epochs so far.
        seconds: Seconds of training and validation so far, 0 where none are told.
    """

    rows: Sequence[Row]
    kinds: Mapping[str, frozenset[str]]
    epochs: float
    seconds: float

    @property
    def pace(self) -> float | None:
        """Seconds an epoch, validation included; None before there is one."""
        known = self.seconds > 0 and self.epochs > 0
        return self.seconds / self.epochs if known else None


_known: Latest[Log] = Latest(_MOST)


def logged(run: Run) -> Log:
    """What a run has logged so far."""
    # Rows that come after the stamp was taken are looked at again, not missed.
    stamp = stamp_of(run.metrics)
    known = _known.get(run.metrics, stamp)
    return known or _known.put(run.metrics, stamp, log_of(reading.metrics(run)))


def log_of(rows: Sequence[Row]) -> Log:
    """Work up rows of metrics.jsonl."""
    rows = unbroken(rows)
    kinds: dict[str, set[str]] = {}
    for row in rows:
        for key, number in row.items():
            if key not in _PLACES and value(number) is not None:
                kinds.setdefault(key, set()).add(str(row.get("kind")))
    return Log(
        rows=rows,
        kinds={key: frozenset(each) for key, each in kinds.items()},
        epochs=_largest(rows, "epoch"),
        seconds=_largest(rows, "seconds"),
    )


def _largest(rows: Sequence[Row], key: str) -> float:
    return max((value(row.get(key)) or 0.0 for row in rows), default=0.0)

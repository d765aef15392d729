"""The networks of finished runs, asked from the pages; torch stays in their processes.

A run gets a process (`trainers.predictor`) when somebody first asks it, and two at most
live at a time. They end when the server does: closing their input ends them, and so
does their own idle time.
"""

import atexit
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from trainers.jobs.home import Home
from trainers.predictor.process import Predictor, PredictorError
from trainers.predictor.protocol import Message
from trainers.runs import Run
from ui.components import access
from ui.components.latest import Stamp, stamp_of

MAX_ALIVE = 2  # processes a server

Key = tuple[str, Stamp]


def predict(run: Run, inputs: NDArray[Any]) -> NDArray[Any]:
    """Class probabilities of new inputs under each posterior sample.

    Args:
        run: A finished run.
        inputs: As its dataset has them, [N, *input_shape].

    Returns:
        [S, N, C]; S is 1 of one set of weights.

    Raises:
        AccessError: If the person at the browser is no editor: it starts a process.
        PredictorError: If there is no answer.
    """
    answer = _ask(run, {"op": "predict"}, {"inputs": inputs})
    return answer.arrays["probabilities"]


def occlude(run: Run, image: NDArray[Any], patch: int, stride: int) -> Message:
    """How the prediction of an image changes as a square covers one part of it.

    Args:
        run: A finished run on images.
        image: [channels, H, W].
        patch: Side of the square in pixels.
        stride: Distance of two places of it.

    Returns:
        "num_samples", and the maps of `trainers.predictor.occlusion.occlude`.

    Raises:
        AccessError: If the person at the browser is no editor.
        PredictorError: If there is no answer.
    """
    content = {"op": "occlude", "patch": patch, "stride": stride}
    return _ask(run, content, {"inputs": image[None]})


_alive: "OrderedDict[Key, Predictor]" = OrderedDict()  # the least recently used first
_lock = threading.Lock()


def _ask(run: Run, content: Mapping[str, Any], arrays: Mapping[str, Any]) -> Message:
    access.require_editor()
    with claimed(run) as predictor:
        return predictor.ask(Message(content, arrays))


@contextmanager
def claimed(run: Run) -> Iterator[Predictor]:
    """The process of a run for the block, in which no other run ends it.

    Args:
        run: The run; its process is started if need be, for which the least recently
            used one may have to end.

    Yields:
        The process.

    Raises:
        PredictorError: If it cannot be started, or all are at work.
    """
    with _lock:
        predictor = _predictor_of(run)
        predictor.num_waiting += 1
    try:
        yield predictor
    finally:
        with _lock:
            predictor.num_waiting -= 1
            if not predictor.alive:
                for key in [key for key, each in _alive.items() if each is predictor]:
                    del _alive[key]


def _predictor_of(run: Run) -> Predictor:
    key = (str(run.path), stamp_of(run.checkpoint / "last.pt"))
    for known, each in [*_alive.items()]:
        # One that ended by itself, or has weights of before the run went on.
        outdated = known[0] == key[0] and known != key and not each.num_waiting
        if outdated or not each.alive:
            _alive.pop(known).end()
    if key not in _alive:
        _make_room()
        try:
            _alive[key] = Predictor(run, _log_of(run))
        except OSError as error:
            raise PredictorError(f"The network cannot be started: {error}") from None
    _alive.move_to_end(key)
    return _alive[key]


def _make_room() -> None:
    while len(_alive) >= MAX_ALIVE:
        idle = next((key for key, each in _alive.items() if not each.num_waiting), None)
        if idle is None:
            raise PredictorError(
                f"{MAX_ALIVE} networks are at work, which is as many as this server "
                "runs at a time. Try again in a moment."
            )
        _alive.pop(idle).end()


def _log_of(run: Run) -> Path:
    mark = sha256(os.fsencode(run.path)).hexdigest()[:12]
    return Home.here().folder / "predictors" / f"{run.id[:40]}-{mark}.log"


def end_all() -> None:
    """End every process; called when the server ends."""
    with _lock:
        while _alive:
            _alive.popitem()[1].end()


atexit.register(end_all)

"""Tell the world that a run has ended: one POST of JSON to `$VOGN_WEBHOOK`.

The JSON has a `text` that chat services show as it is, and the same as fields. It is
sent at least once: a dispatcher that is killed meanwhile leaves it to the next one.
"""

import json
import os
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from trainers.jobs.store import Job, Store
from trainers.runs import Run, RunError, load_config, read_json
from trainers.status import FAILED, Status, read_status

TIMEOUT = 10.0  # seconds for an answer
DELAYS = (5.0, 30.0, 120.0)  # seconds before each new attempt; then it is given up


class Announcer:
    """Sends what is to be told, without ever holding up its dispatcher.

    Args:
        store: Knows which ends were not announced.
        host: Whose runs.
        url: Where to; by default `$VOGN_WEBHOOK`, "" for nowhere.
    """

    def __init__(self, store: Store, host: str, url: str | None = None) -> None:
        self._store, self._host = store, host
        self.url = os.environ.get("VOGN_WEBHOOK", "") if url is None else url
        self._attempts: dict[str, tuple[int, float]] = {}
        self._sending: threading.Thread | None = None

    @property
    def wanted(self) -> bool:
        """Whether there is somebody to tell."""
        return bool(self.url)

    def tick(self) -> None:
        """Begin to send what is due, in a thread; returns at once."""
        if not self.wanted or (self._sending and self._sending.is_alive()):
            return
        now = time.monotonic()
        due = [
            job
            for job in self._store.unannounced(self._host)
            if self._attempts.get(job.path, (0, 0.0))[1] <= now
        ]
        if due:
            self._sending = threading.Thread(
                target=self._send, args=(due,), daemon=True
            )
            self._sending.start()

    def _send(self, due: list[Job]) -> None:
        for job in due:
            failed = post(self.url, announcement(job.run, job.outcome))
            attempts = self._attempts.pop(job.path, (0, 0.0))[0]
            if failed and attempts < len(DELAYS):
                later = time.monotonic() + DELAYS[attempts]
                self._attempts[job.path] = (attempts + 1, later)
            else:
                self._store.announce(job)


def announcement(run: Run, outcome: str) -> dict[str, Any]:
    """What is told of a run.

    Args:
        run: The run.
        outcome: Its final state.

    Returns:
        `text`, `run`, `state`, `path`, and where known `dataset`, `model`, `optimizer`,
        `message`, `error_class` and the headline `metrics`.
    """
    told: dict[str, Any] = {"run": run.id, "state": outcome, "path": str(run.path)}
    status, metrics = Status(state=outcome, created=0.0), {}
    try:
        config = load_config(run)
        told["dataset"], told["model"] = config.dataset.name, config.model.name
        told["optimizer"] = config.optimizer.name
        status = read_status(run)
        metrics = read_json(run.evaluation)["metrics"]
    except (RunError, KeyError, TypeError):
        pass  # what could be read is told
    if outcome == FAILED:
        told["error_class"] = status.error_class
    told |= {"message": status.message, "metrics": metrics}
    return {"text": _text(told), **told}


def _text(told: dict[str, Any]) -> str:
    what = ""
    if "optimizer" in told:
        what = f" ({told['optimizer']} on {told['dataset']})"
    numbers = told["metrics"]
    tail = told["message"]
    if {"accuracy", "nll", "ece"} <= set(numbers):
        tail = (
            f"accuracy {numbers['accuracy']:.4f}, NLL {numbers['nll']:.4f}, "
            f"ECE {numbers['ece']:.4f}"
        )
    return f"Run {told['run']}{what}: {told['state']}. {tail}".strip()


def post(url: str, content: dict[str, Any]) -> str:
    """Send JSON.

    Args:
        url: An http or https address.
        content: What to send.

    Returns:
        What went wrong, "" if nothing.
    """
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        return f"VOGN_WEBHOOK must be an http or https address, got {url!r}."
    request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
        url,
        data=json.dumps(content).encode(),
        headers={"Content-Type": "application/json", "User-Agent": "vogn-app"},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT):  # noqa: S310
            return ""
    except (urllib.error.URLError, OSError, ValueError) as error:
        return str(error)

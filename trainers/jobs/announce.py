"""Tell the world that a run has ended: one POST of JSON to `$VOGN_WEBHOOK`.

The JSON has a `text` that chat services show as it is, and the same as fields. It is
sent at least once: a dispatcher that is killed meanwhile leaves it to the next one.
"""

import http.client
import json
import logging
import math
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

logger = logging.getLogger("trainers.jobs.announce")
HEADLINES = {"accuracy": "accuracy", "nll": "NLL", "ece": "ECE"}
TIMEOUT = 10.0  # seconds for the next word of an answer
DEADLINE = 20.0  # seconds for all of it
MAX_LATE = 4  # posts that may go on beyond it, each in a thread
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
        self._attempts: dict[Job, tuple[int, float]] = {}
        self._over: set[Job] = set()
        self._sending: threading.Thread | None = None
        self._late: list[threading.Thread] = []

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
            if self._attempts.get(job, (0, 0.0))[1] <= now
        ]
        if due:
            self._sending = threading.Thread(
                target=self._send, args=(due,), daemon=True
            )
            self._sending.start()

    def _send(self, due: list[Job]) -> None:
        for job in due:
            if job in self._over or self._attempt(job):
                self._note(job)

    def _attempt(self, job: Job) -> bool:
        """Try to tell of a job; whether this is over, by success or for good."""
        problem = self._post(announcement(job.run, job.outcome))
        attempts = self._attempts.pop(job, (0, 0.0))[0]
        if not problem:
            return True
        logger.warning("The end of run %s was not told: %s", job.path, problem)
        if attempts == len(DELAYS):
            return True
        self._attempts[job] = (attempts + 1, time.monotonic() + DELAYS[attempts])
        return False

    def _post(self, content: dict[str, Any]) -> str:
        """Send JSON; what went wrong, be it that the answer has no end."""
        self._late = [thread for thread in self._late if thread.is_alive()]
        if len(self._late) >= MAX_LATE:
            return f"{MAX_LATE} earlier messages still wait for the end of an answer"
        problems: list[str] = []
        # Of its own: nothing else ends a post whose answer comes byte by byte.
        thread = threading.Thread(
            target=lambda: problems.append(post(self.url, content)), daemon=True
        )
        thread.start()
        thread.join(DEADLINE)
        if problems:
            return problems[0]
        self._late.append(thread)
        return f"no whole answer within {DEADLINE:g} seconds"

    def _note(self, job: Job) -> None:
        """Write down that it is over; a full disk does not make it be told again."""
        self._over.add(job)
        try:
            self._store.announce(job)
        except RunError as error:
            logger.warning("Run %s is still to be noted as told: %s", job.path, error)
        else:
            self._over.remove(job)


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
        metrics = _numbers(read_json(run.evaluation))
    except RunError:
        pass  # what could be read is told
    if outcome == FAILED:
        told["error_class"] = status.error_class
    told |= {"message": status.message, "metrics": metrics}
    return {"text": _text(told), **told}


def _numbers(evaluation: Any) -> dict[str, float]:
    """The headline metrics; null stands for what is not finite."""
    metrics = evaluation.get("metrics") if isinstance(evaluation, dict) else None
    return {
        name: value
        for name, value in (metrics if isinstance(metrics, dict) else {}).items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def _text(told: dict[str, Any]) -> str:
    what = ""
    if "optimizer" in told:
        what = f" ({told['optimizer']} on {told['dataset']})"
    numbers = [
        f"{title} {told['metrics'][name]:.4f}"
        for name, title in HEADLINES.items()
        if name in told["metrics"]
    ]
    tail = ", ".join(numbers) or told["message"]
    return f"Run {told['run']}{what}: {told['state']}. {tail}".strip()


def post(url: str, content: dict[str, Any]) -> str:
    """Send JSON.

    Args:
        url: An http or https address.
        content: What to send.

    Returns:
        What went wrong, "" if nothing.
    """
    try:
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            return f"VOGN_WEBHOOK must be an http or https address, got {url!r}."
        request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
            url,
            data=json.dumps(content).encode(),
            headers={"Content-Type": "application/json", "User-Agent": "vogn-app"},
        )
        with _opener().open(request, timeout=TIMEOUT):
            return ""
    except urllib.error.HTTPError as error:
        error.close()
        return str(error)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Followed, a redirected POST would become a GET that tells nothing."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_NoRedirect)

"""Claims that are killed, each a statement later than the one before.

`python -m tests.trainers.jobs.store_killed FOLDER URL` tells in JSON which jobs each
claim had made active, until one went through. Job c stays queued.
"""

import json
import os
import signal
import sys
from pathlib import Path

import sqlalchemy as sa

from tests.trainers.jobs.stores import job, names
from trainers.jobs.home import Home
from trainers.jobs.store import Store


def claim(store):
    def decide(queue, leases):
        assert leases == []
        starts = [(queue[0], ["gpu:0", "gpu:1"]), (queue[1], ["gpu:2"])]
        return starts, {queue[2].path: "It waits."}

    store.claim("h", decide)


def claim_and_die(home, statements):
    """Claim, but be killed before a certain statement, or before the commit."""
    store, left = Store(home), [statements]

    def count(*_):
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1

    sa.event.listen(store._writing, "before_cursor_execute", count)
    sa.event.listen(store._writing, "commit", count)
    claim(store)
    os._exit(0)


def attempt(home, statements):
    """The exit code of such a process, and the jobs that are active after it."""
    pid = os.fork()
    if pid == 0:
        claim_and_die(home, statements)
    _, status = os.waitpid(pid, 0)
    store = Store(home)
    active, waiting, leases = store.active("h"), store.queued(), store.leases("h")
    store.close()
    assert len(active) + len(waiting) == 3
    assert len(leases) == (3 if active else 0)
    assert waiting[-1].reason == ("It waits." if active else "")
    return os.waitstatus_to_exitcode(status), names(active)


def main():
    home = Home(Path(sys.argv[1]), sys.argv[2])
    store = Store(home)
    store.add([job(name) for name in "abc"])
    store.close()
    outcomes, code = [], -signal.SIGKILL
    while code == -signal.SIGKILL:
        code, active = attempt(home, len(outcomes))
        outcomes.append(active)
    assert code == 0
    sys.stdout.write(json.dumps(outcomes))


if __name__ == "__main__":
    main()

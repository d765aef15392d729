"""A trainer of a moment, with all the manners that a real one may have.

`VOGN_TRAINER=tests.trainers.jobs.fake_trainer` puts it in the real one's place. The
run's seed chooses its manner. It keeps its step in a file, as a checkpoint, and writes
the file `done` when it has truly done all of them.
"""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from trainers.ranks import keep_log, launched_ranks
from trainers.runs import Run, metric_line
from trainers.status import (
    FINISHED,
    STOPPED,
    begin_status,
    end_status,
    read_status,
    write_status,
)

MANNERS = ("ok", "crash", "hang", "stubborn", "fork", "flood", "long")
STEPS, SECONDS = 20, 0.15
CHILD = "import time; time.sleep(90)"


def seed_of(manner):
    return MANNERS.index(manner)


def manner_of(run):
    return MANNERS[
        json.loads(run.config.read_text())["training"]["seed"] % len(MANNERS)
    ]


def leave_children():
    """One in a session of its own, one below process 1, one without environment."""
    command = [sys.executable, "-c", CHILD]
    subprocess.Popen(command, start_new_session=True)
    subprocess.Popen(command, env={})
    double = (
        f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {CHILD!r}])"
    )
    subprocess.run([sys.executable, "-c", double], check=True)


def flood():
    for _ in range(200):
        sys.stdout.write("x" * 10_000 + "\n")
    sys.stdout.flush()


def obey(signum, frame):
    raise KeyboardInterrupt


def work(run, manner):
    """Do the steps that are left; whether all are done."""
    progress = run.path / "progress"
    step = int(progress.read_text()) if progress.exists() else 0
    while step < STEPS or manner == "long":
        time.sleep(SECONDS)
        step += 1
        temporary = run.path / ".progress"
        temporary.write_text(str(step))
        temporary.replace(progress)
        with run.metrics.open("a") as file:
            file.write(metric_line({"kind": "step", "step": step, "train_loss": 1.0}))
        write_status(run, replace(read_status(run), step=step))
        if manner == "flood":
            flood()
        if manner == "crash" and step == STEPS // 2:
            raise RuntimeError("the fake trainer crashes")


def train(run):
    manner = manner_of(run)
    begin_status(run)
    sys.stdout.write(f"I am {manner}\n")
    sys.stdout.flush()
    if manner == "fork":
        leave_children()
    if manner == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, obey)
    try:
        if manner in ("hang", "stubborn"):
            time.sleep(600)
        work(run, manner)
    except KeyboardInterrupt:
        end_status(run, read_status(run), STOPPED, message="Stopped on request.")
        return 130
    (run.path / "done").touch()
    end_status(run, read_status(run), FINISHED, message="Finished.")
    return 0


def main():
    assert sys.argv[1] == "train"
    run, ranks = Run(Path(sys.argv[2])), launched_ranks()
    keep_log(ranks)
    if ranks.is_main:
        return train(run)
    signal.signal(signal.SIGTERM, obey)
    try:
        while not (run.path / "done").exists():  # it takes part, as it were
            time.sleep(0.1)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Run folders that no training made, a mirror that remembers, and a scripted wait."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.trainers.examples import run_of, wait_for_state
from trainers.mirrors.mirror import Mirror
from trainers.runs import metric_line, write_json
from trainers.status import ENDED, Process, Status, write_status

ROOT = Path(__file__).resolve().parents[3]
STARTED = 1_700_000_000.0
NAN = float("nan")


def step_row(step, loss=0.5, **values):
    place = {"kind": "step", "step": step, "epoch": step / 10, "seconds": step / 4}
    return {**place, "train_loss": loss, "lr": 0.1, **values}


def epoch_row(step, epoch, nll=0.4):
    place = {"kind": "epoch", "step": step, "epoch": epoch, "seconds": step / 4}
    return {**place, "train_loss": 0.6, "validation_nll": nll}


def ten_steps():
    return [*(step_row(step, loss=1 / step) for step in range(1, 11)), epoch_row(10, 1)]


def append(run, *rows):
    with run.metrics.open("a") as file:
        file.writelines(metric_line(row) for row in rows)


def set_state(run, state, ended=STARTED + 60, **details):
    """Write a status; a state that is alive is that of this very process."""
    alive = {"trainer": Process.current()}
    over = {"ended": ended} if state in ENDED else alive
    status = {"created": STARTED - 5, "started": STARTED, **over, **details}
    write_status(run, Status(state=state, **status))


def a_run(path, state="finished", rows=()):
    """Make a run folder with these rows, in this state."""
    run = run_of(path)
    append(run, *rows)
    set_state(run, state)
    return run


def evaluate(run):
    """Write the parts of evaluation.json that matter here."""
    scores = {"auroc": 0.9, "fpr95": 0.2, "curve": [[0, 1]]}
    metrics = {"accuracy": 0.75, "nll": 0.5, "brier": None}
    write_json(run.evaluation, {"metrics": metrics, "ood": {"digits": scores}})


class Recorder(Mirror):
    """A mirror that notes what it is told.

    Args:
        fail_at: Step at which `log` raises.
    """

    def __init__(self, fail_at=None):
        self.fail_at = fail_at
        self.beginning, self.rows, self.ending, self.num_closed = None, [], None, 0

    def start(self, beginning):
        self.beginning = beginning
        return beginning.known or "tracked-1"

    def log(self, rows):
        for row in rows:
            if row.step == self.fail_at:
                raise ConnectionError("the tracker went away")
        self.rows += rows

    def finish(self, ending):
        self.ending = ending

    def close(self):
        self.num_closed += 1

    @property
    def positions(self):
        return [row.position for row in self.rows]


class Script:
    """Takes the place of `Leave`: each pause does the next thing of a story."""

    def __init__(self, *actions):
        self.actions, self.requested = list(actions), False

    def pause(self, seconds):
        assert self.actions, "it waits although the story is over"
        self.actions.pop(0)()

    def ask(self):
        self.requested = True


def environment(tmp_path, **variables):
    """Return an environment that is nobody's: no tracker's settings of the caller."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLFLOW_", "WANDB_", "VOGN_"))
    }
    path = os.pathsep.join([*variables.pop("path", []), str(ROOT)])
    home = {"HOME": str(tmp_path), "PYTHONPATH": path}
    return {**kept, **home, **variables}


def command(run, *names):
    return [sys.executable, "-m", "trainers.mirrors", str(run.path), *names]


def mirror(run, *names, **variables):
    """Run the command to its end, in the folder of runs."""
    return subprocess.run(
        command(run, *names),
        cwd=run.path.parent,
        env=environment(run.path.parent, **variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def following(run, *names, **variables):
    """Run the command, and end it with the block whatever happens there."""
    process = subprocess.Popen(
        command(run, *names),
        cwd=run.path.parent,
        env=environment(run.path.parent, **variables),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        left = [process]
        with suppress(psutil.NoSuchProcess):
            left += psutil.Process(process.pid).children()
        for each in left:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        process.communicate()


@contextmanager
def training(run):
    """Train the run in a process that is alive as the block begins; end it after."""
    words = [sys.executable, "-m", "trainers", "train", str(run.path)]
    process = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for_state(run, "running")
        yield process
    finally:
        process.kill()
        process.wait()


def fake(folder, module, source):
    """Write a module that is found before the installed one; return its folder."""
    folder.mkdir(exist_ok=True)
    (folder / f"{module}.py").write_text(source)
    return str(folder)


def memory_of(run, name):
    return json.loads((run.path / "mirrors" / f"{name}.json").read_text())

"""Tests of the launcher: real processes, most of them of a moment."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from torch.distributed import run as torchrun
from torch.distributed.elastic.multiprocessing.errors import (
    ChildFailedError,
    ProcessFailure,
)

from tests.trainers.examples import (
    config,
    long_config,
    rows_of,
    run_of,
    start,
    wait_for,
    wait_for_step,
)
from trainers import launcher
from trainers.checkpoint import LAST
from trainers.jobs.failures import Report, explain, read_report, write_report
from trainers.launcher import launch, main, train_together
from trainers.runs import Run, new_run
from trainers.status import begin_status, end_status, read_status
from trainers.stopping import SAME_WISH

pytestmark = pytest.mark.usefixtures("ended")
ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60  # for all processes of a run together
DRIVER = "tests.trainers.rank_driver"  # the trainer, with a fate

# A rank without torch: it notes its place, then does what the test says.
RANK = """
import json, os, signal, sys, time
rank = int(os.environ["RANK"])
names = ("LOCAL_RANK", "WORLD_SIZE", "OMP_NUM_THREADS")
with open(f"place{rank}.json", "w") as file:
    content = {name: os.environ[name] for name in names}
    json.dump(content | {"words": sys.argv[1:], "pid": os.getpid()}, file)
"""


@pytest.fixture
def run(tmp_path):
    return run_of(tmp_path / "a run")


def begin(run, *, lines="", count=2, **environment):
    """Start the launcher of ranks of a moment."""
    folder = run.path.parent
    if lines:
        (folder / "brief_rank.py").write_text(RANK + lines)
        environment |= {"VOGN_TRAINER": "brief_rank", "PYTHONPATH": f"{folder}:{ROOT}"}
    words = ["--nproc-per-node", str(count), str(run.path)]
    return subprocess.Popen(
        [sys.executable, "-m", "trainers.launcher", *words],
        cwd=folder if lines else ROOT, env=os.environ | environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def end(process):
    """The exit code of the launcher, and its errors."""
    _, err = process.communicate(timeout=SECONDS)
    return process.returncode, err


def places(run, count=2):
    """What the ranks noted; none of them is alive."""
    paths = [run.path.parent / f"place{rank}.json" for rank in range(count)]
    found = [json.loads(path.read_text()) for path in paths if path.exists()]
    assert not any(psutil.pid_exists(place["pid"]) for place in found)
    return found


def test_ranks_get_their_place_and_leave_nothing(run, tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS")
    (tmp_path / "t").mkdir()
    write_report(run, Report(0, 0, 1, 1, 0.0, "of an earlier attempt"))
    code, err = end(begin(run, lines="pass", count=3, TMPDIR=str(tmp_path / "t")))
    assert (code, err) == (0, "")
    found = places(run, 3)
    assert [place["LOCAL_RANK"] for place in found] == ["0", "1", "2"]
    assert {place["WORLD_SIZE"] for place in found} == {"3"}
    assert {place["OMP_NUM_THREADS"] for place in found} == {"1"}
    assert found[0]["words"] == ["train", str(run.path)]
    assert read_report(run) is None
    assert list((tmp_path / "t").iterdir()) == list(run.log.parent.iterdir()) == []


def test_the_first_rank_that_fails_is_told_in_its_own_words(run):
    lines = """
if rank == 1:
    words = {"message": "ValueError: no", "extraInfo": {"timestamp": "7"}}
    with open(os.environ["TORCHELASTIC_ERROR_FILE"], "w") as file:
        json.dump({"message": words}, file)
    sys.exit(3)
time.sleep(600)
"""
    code, _ = end(begin(run, lines=lines))
    assert code == 1
    pid = places(run)[1]["pid"]
    assert read_report(run) == Report(1, 1, 3, pid, 7, "ValueError: no")


def test_a_stubborn_rank_gets_its_grace_and_no_more(run):
    lines = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(f"ready{rank}", "w").close()
time.sleep(600)
"""
    process = begin(run, lines=lines, VOGN_STOP_GRACE="0.5")
    wait_for(lambda: len(list(run.path.parent.glob("ready*"))) == 2)
    for _ in range(2):  # as `timeout` does, to the process and its group
        process.send_signal(signal.SIGTERM)
    code, err = end(process)
    assert code == 130
    assert err.count("forcefully exiting") == 2
    assert "Traceback" not in err
    assert len(places(run)) == 2


def test_a_second_interrupt_reaches_the_ranks(run):
    lines = """
signal.signal(signal.SIGTERM, lambda *_: open(f"asked{rank}", "w").close())
open(f"ready{rank}", "w").close()
try:
    while True:
        time.sleep(0.05)
except KeyboardInterrupt:
    open(f"urged{rank}", "w").close()
"""
    process = begin(run, lines=lines)
    folder = run.path.parent
    wait_for(lambda: len(list(folder.glob("ready*"))) == 2)
    process.send_signal(signal.SIGINT)
    wait_for(lambda: len(list(folder.glob("asked*"))) == 2)

    since = time.monotonic()
    wait_for(lambda: time.monotonic() > since + SAME_WISH)
    process.send_signal(signal.SIGINT)
    assert end(process)[0] == 130
    assert len(list(folder.glob("urged*"))) == len(places(run)) == 2


def test_a_signal_before_the_ranks_is_a_stop(run):
    process = begin(run, lines="time.sleep(600)")
    wait_for(lambda: "torch" in "".join(m.path for m in maps_of(process.pid)))
    process.send_signal(signal.SIGTERM)
    code, err = end(process)
    assert code == 130
    assert "Traceback" not in err
    places(run)


def maps_of(pid):
    try:
        return psutil.Process(pid).memory_maps()
    except psutil.Error:
        return []


@pytest.fixture
def replaced(monkeypatch):
    """Have another function in the place of torchrun."""
    for name in ("OMP_NUM_THREADS", "TORCH_ELASTIC_SHUTDOWN_TIMEOUT"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("PET_SIGNALS_TO_HANDLE", "")
    monkeypatch.setenv(launcher.LAUNCHER, "")
    return lambda function: monkeypatch.setattr(torchrun, "main", function)


def test_what_a_stop_leaves_half_started_is_ended(run, replaced):
    started = []

    def interrupted(words):
        started.append(subprocess.Popen(["sleep", "600"]))
        raise KeyboardInterrupt

    replaced(interrupted)
    other = subprocess.Popen(["sleep", "600"])
    with other:
        assert launch(run, 2) == 130
        assert not psutil.pid_exists(started[0].pid)
        started[0].wait(5)
        assert other.poll() is None
        other.kill()


def test_a_fault_of_the_launcher_is_told(run, replaced):
    def refuse(words):
        raise OSError("no port is free")

    replaced(refuse)
    assert launch(run, 2) == 1
    report = read_report(run)
    assert (report.rank, report.pid) == (None, os.getpid())
    assert report.message == "OSError: no port is free"
    assert "no port is free" in explain(1, report).message


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ({0: (5, 130), 1: (4, 130)}, None),
        ({0: (5, 1), 1: (4, -9)}, 1),
        ({0: (4, 1), 1: (5, -9)}, 0),
        ({0: (4, 130), 1: (5, -9)}, 1),
        ({0: (4, 1), 1: (4, -9)}, 1),  # who noticed, and who was struck
        ({0: (4, 3), 1: (4, -15)}, 0),  # who failed, and whom torchrun ended
    ],
)
def test_the_failure_that_came_first_is_reported(run, replaced, codes, expected):
    def fail(words):
        failures = {}
        for rank, (seen, code) in codes.items():
            failures[rank] = ProcessFailure(rank, 100 + rank, code, "<N/A>")
            failures[rank].timestamp = seen
        raise ChildFailedError("trainers", failures)

    replaced(fail)
    assert launch(run, 2) == (130 if expected is None else 1)
    report = read_report(run)
    assert (report and report.rank) == expected
    if report:
        assert (report.timestamp, report.exitcode) == codes[expected]
        assert (report.pid, report.message) == (100 + expected, "")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--nproc-per-node", "0", "x"], "--nproc-per-node must be >= 1, got 0."),
        (["--nproc-per-node", "2", "x"], "There is no run 'x'"),
    ],
)
def test_mistakes_are_told_in_a_line(words, text, capsys):
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"error: {text}")


def test_help_appears_without_torch():
    code = (
        "import sys\nfrom trainers.launcher import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "--nproc-per-node N" in done.stdout


def with_launch(monkeypatch, run, code, act):
    def fake(given, num_processes):
        assert (given, num_processes) == (run, 2)
        act()
        return code

    monkeypatch.setenv(launcher.LAUNCHER, "")
    monkeypatch.setattr(launcher, "launch", fake)
    status = begin_status(run)
    return status, *train_together(run, 2)


def test_what_rank_0_wrote_stays(run, monkeypatch):
    _, status, told = with_launch(
        monkeypatch, run, 1,
        lambda: end_status(run, read_status(run), "failed", error_class="diverged"),
    )  # fmt: skip
    assert (status.state, status.error_class, told) == ("failed", "diverged", True)


def test_a_silent_failure_is_explained(run, monkeypatch):
    _, status, told = with_launch(
        monkeypatch, run, 1, lambda: write_report(run, Report(1, 1, -9, 5, 0.0))
    )
    assert status == read_status(run)
    assert (status.state, status.error_class, told) == ("failed", "killed", False)
    assert status.message.startswith("Rank 1 (process 5) was killed by signal 9")


def test_a_silent_stop_is_left_to_the_caller(run, monkeypatch):
    begun, status, told = with_launch(monkeypatch, run, 130, lambda: None)
    assert (status, told) == (begun, False)


@pytest.mark.slow
def test_sigterm_stops_real_ranks_at_a_step(tmp_path):
    run = new_run(long_config(), "test", tmp_path / "a")
    process = begin(run, VOGN_RANK_LOGS=str(run.log.parent))
    wait_for_step(run, 3)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    assert end(process) == (130, "")
    status = read_status(run)
    assert (status.state, status.message) == ("stopped", "Stopped on request.")
    assert len(status.workers) == 1
    assert not any(each.handle() for each in (status.trainer, *status.workers))
    saved = torch.load(run.checkpoint / LAST, weights_only=True)["progress"]
    assert saved["step"] == status.step >= 3
    assert {path.name for path in run.log.parent.iterdir()} == {
        "rank0.log", "rank1.log",
    }  # fmt: skip
    assert run.log.read_text().splitlines()[-1] == str(run.path)


def begin_here(tmp_path, settings, **environment):
    """Start a run of two processes in a terminal, as it were."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps(settings.to_dict()))
    words = ("--config", path, "--num-processes", "2", "--run-dir", tmp_path / "a")
    run = Run(tmp_path / "a")
    return run, start("run", *words, cwd=ROOT, env=os.environ | environment)


def outcome(run, process):
    """Wait for the end of all; the status, the lines and the errors."""
    out, err = process.communicate(timeout=SECONDS)
    status = read_status(run)
    assert len(status.workers) == 1
    assert not any(each.handle() for each in (status.trainer, *status.workers))
    lines = out.splitlines()
    assert lines[-1] == str(run.path)
    assert lines.count(str(run.path)) == 1
    assert "Traceback" not in err
    return status, lines, err


@pytest.mark.slow
def test_two_processes_in_a_terminal_finish(tmp_path):
    run, process = begin_here(tmp_path, config(training={"epochs": 1}))
    status, lines, err = outcome(run, process)
    assert (process.returncode, status.state) == (0, "finished")
    assert "3 posterior samples: accuracy " in lines[0]
    assert "training: 100%" in err
    assert rows_of(run)


@pytest.mark.slow
def test_two_processes_in_a_terminal_are_interrupted(tmp_path):
    run, process = begin_here(tmp_path, long_config())
    wait_for_step(run, 3)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
    status, lines, _ = outcome(run, process)
    assert process.returncode == 130
    assert (status.state, status.message) == ("stopped", "Stopped on request.")
    assert f"Go on with: python -m trainers run --resume {run.path}" in lines
    saved = torch.load(run.checkpoint / LAST, weights_only=True)["progress"]
    assert saved["step"] == status.step >= 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rank", "kind", "text"),
    [
        (0, "killed", "was killed by signal 9 (SIGKILL) from outside"),
        (1, "distributed", "ended without a word, as when it is killed."),
    ],
)
def test_a_rank_killed_in_a_terminal_is_named(tmp_path, rank, kind, text):
    fate = {"FATE": f"{rank}:5:die", "VOGN_TRAINER": DRIVER}
    run, process = begin_here(tmp_path, long_config(), **fate)
    status, lines, _ = outcome(run, process)
    assert process.returncode == 1
    assert (status.state, status.error_class) == ("failed", kind)
    assert status.message.startswith(f"Rank {rank} (process ")
    assert text in status.message
    assert lines[0] == f"failed: {status.message}"
    report = read_report(run)
    victim = (status.trainer, *status.workers)[rank]
    assert (report.rank, report.exitcode, report.pid) == (rank, -9, victim.pid)

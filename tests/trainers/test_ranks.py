"""Tests of who is who among the processes of a run, and of what falls to each."""

import dataclasses
import os
import signal
import subprocess
import sys

import psutil
import pytest

from tests.trainers.examples import wait_for
from trainers.ranks import (
    LAUNCHER,
    LOGS,
    VARIABLES,
    Ranks,
    launched_ranks,
    launcher_is_gone,
    rank_seed,
    share,
)

LAUNCHED = {
    "RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "localhost",
    "MASTER_PORT": "29500",
}  # fmt: skip


def shares(num_rows, size):
    """Lengths of the shares; they cover the rows in order."""
    parts = [share(num_rows, Ranks(rank, size)) for rank in range(size)]
    ends = [0, *(part.stop for part in parts)]
    assert [part.start for part in parts] == ends[:-1]
    assert ends[-1] == num_rows
    return [part.stop - part.start for part in parts]


def test_torchrun_tells_the_place():
    assert set(LAUNCHED) == set(VARIABLES)
    assert launched_ranks(LAUNCHED) == Ranks(rank=3, size=4, local_rank=1)
    assert not launched_ranks(LAUNCHED).is_main
    assert launched_ranks(LAUNCHED | {"RANK": "0"}).is_main


@pytest.mark.parametrize("missing", VARIABLES)
def test_some_of_its_variables_are_not_torchrun(missing, monkeypatch):
    some = {key: value for key, value in LAUNCHED.items() if key != missing}
    assert launched_ranks(some) == Ranks(0, 1, 0)


def test_the_environment_of_this_process_is_asked(monkeypatch):
    assert launched_ranks() == Ranks()
    for name, value in LAUNCHED.items():
        monkeypatch.setenv(name, value)
    assert launched_ranks().size == 4


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"RANK": "x"}, "RANK must be a whole number, got 'x'"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE must be >= 1, got 0"),
        ({"RANK": "4"}, "RANK must be >= 0 and < 4, got 4"),
        ({"LOCAL_RANK": "-1"}, "LOCAL_RANK must be >= 0 and < 4, got -1"),
    ],
)
def test_odd_variables_are_named(change, text):
    with pytest.raises(ValueError, match=text):
        launched_ranks(LAUNCHED | change)


@pytest.mark.parametrize(
    ("num_rows", "size", "expected"),
    [
        (7, 1, [7]), (8, 2, [4, 4]), (7, 2, [4, 3]), (10, 4, [3, 3, 2, 2]),
        (5, 4, [3, 2, 0, 0]), (3, 2, [3, 0]), (2, 2, [2, 0]), (1, 2, [1, 0]),
    ],
)  # fmt: skip
def test_shares_are_even_and_never_a_single_row(num_rows, size, expected):
    assert shares(num_rows, size) == expected


def test_shares_in_general():
    for num_rows in range(2, 40):
        for size in range(1, 9):
            lengths = [n for n in shares(num_rows, size) if n]
            assert max(lengths) - min(lengths) <= 1
            assert min(lengths) >= 2
            assert len(lengths) == max(1, min(size, num_rows // 2))


def test_seeds_differ_by_rank_step_and_run():
    seeds = {
        rank_seed(seed, Ranks(rank, 4), step)
        for seed in (0, 1) for rank in range(4) for step in (0, 1, 10)
    }  # fmt: skip
    assert len(seeds) == 24
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert rank_seed(5, Ranks(1, 4), 7) == rank_seed(5, Ranks(1, 2), 7)


def test_a_place_does_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Ranks().rank = 1


def printed(code, **environment):
    """What a process prints that does so, and its exit code."""
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, text=True,
        check=False, capture_output=True,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


SPEAK = """
import os, sys
from trainers.ranks import Ranks, keep_log
print("before")
keep_log(Ranks(rank=1, size=2))
print("out")
sys.stdout.flush()
print("err", file=sys.stderr)
os.system("echo child")
"""


def test_every_rank_appends_to_its_own_log(tmp_path):
    logs = tmp_path / "a run" / "log"
    for _ in range(2):
        assert printed(SPEAK, **{LOGS: str(logs)}) == (0, "before\n", "")
    assert (logs / "rank1.log").read_text() == "out\nerr\nchild\n" * 2
    assert [path.name for path in logs.iterdir()] == ["rank1.log"]


def test_without_a_folder_all_is_printed():
    code, out, err = printed(SPEAK, **{LOGS: ""})
    assert (code, out, err) == (0, "before\nout\nchild\n", "err\n")


def test_a_folder_that_cannot_be_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = printed(SPEAK, **{LOGS: str(tmp_path / "file")})
    assert code == 1
    assert "VOGN_RANK_LOGS must be a folder to write in: " in err


NEED = """
import time
from trainers.ranks import end_with_launcher
end_with_launcher()
print("here", flush=True)
time.sleep(600)
"""
LAUNCH = """
import os, subprocess, sys, time
os.environ["VOGN_LAUNCHER"] = str(os.getpid())
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")
def test_a_rank_ends_with_the_launcher_it_needs():
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCH, NEED], stdout=subprocess.PIPE, text=True
    )
    with launcher:
        rank = psutil.Process(int(launcher.stdout.readline()))
        assert launcher.stdout.readline() == "here\n"
        launcher.kill()
        gone = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        wait_for(lambda: not rank.is_running() or rank.status() in gone)


@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")
def test_a_rank_whose_launcher_is_gone_ends_at_once():
    code, out, _ = printed(NEED, **{LAUNCHER: "1999999999"})
    assert (code, out) == (-signal.SIGTERM, "")


def test_a_launcher_that_is_not_the_parent_is_gone(monkeypatch):
    monkeypatch.delenv("VOGN_LAUNCHER", raising=False)
    assert not launcher_is_gone()  # none is needed
    monkeypatch.setenv("VOGN_LAUNCHER", str(os.getppid()))
    assert not launcher_is_gone()
    monkeypatch.setenv("VOGN_LAUNCHER", "1234567")
    assert launcher_is_gone()

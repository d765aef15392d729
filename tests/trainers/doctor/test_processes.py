"""Tests of finding the engine's processes."""

import os
import subprocess
import sys

from trainers.doctor.processes import members

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


def left(role, jobs):
    """Start a process that an engine could have left behind."""
    environment = {**os.environ, "VOGN_ROLE": role, "VOGN_JOBS": str(jobs)}
    return subprocess.Popen(SLEEP, env=environment)


def test_members_are_known_by_their_role_and_home(engine, tmp_path):
    engine.home.prepare()
    (tmp_path / "other").mkdir()
    started = [
        left("dispatcher", engine.home.folder),
        left(f"mirror {tmp_path}/a b", tmp_path / "gone"),
        left(f"run {tmp_path}/c", tmp_path / "other"),
        left("", engine.home.folder),
    ]
    try:
        pids = [process.pid for process in started]
        found = {m.process.pid: m for m in members(engine.home)}
        assert [pid in found for pid in pids] == [True, True, False, False]
        assert (found[pids[0]].part, found[pids[0]].run) == ("dispatcher", None)
        mirror = found[pids[1]]
        assert (mirror.part, mirror.run.path) == ("mirror", tmp_path / "a b")
    finally:
        for process in started:
            process.kill()
            process.wait()

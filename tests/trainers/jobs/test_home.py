"""Tests of where the engine lives."""

import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import psutil
import pytest

from trainers.jobs.home import Home, check_local, network_file_system
from trainers.runs import Run, RunError

Mount = namedtuple("Mount", "mountpoint fstype")
UMLAUTS = "a b/100%41 Grüße 'x'#?"


@pytest.fixture
def mounted(monkeypatch):
    """Return how to let the machine have certain mounts, in their order."""

    def mount(*pairs):
        mounts = [Mount(str(place), kind) for place, kind in pairs]
        monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)

    return mount


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    monkeypatch.delenv("VOGN_JOBS", raising=False)
    monkeypatch.delenv("VOGN_JOBS_URL", raising=False)


def test_the_home_is_among_the_runs_by_default(tmp_path):
    home = Home.here()
    assert home == Home(tmp_path / "runs" / ".jobs", "")
    assert home.database == tmp_path / "runs" / ".jobs" / "jobs.db"


def test_the_environment_names_another_home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOGN_JOBS", UMLAUTS)
    monkeypatch.setenv("VOGN_JOBS_URL", "postgresql+psycopg://x@y/z")
    home = Home.here()
    assert home == Home(tmp_path / UMLAUTS, "postgresql+psycopg://x@y/z")
    monkeypatch.setenv("VOGN_JOBS", "")
    assert Home.here().folder == tmp_path / "runs" / ".jobs"


def test_another_process_in_another_folder_finds_the_same_home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOGN_JOBS", "there")
    home = Home.here()
    for name, value in home.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir("/")
    assert Home.here() == home


def test_preparing_makes_the_folder_and_may_be_done_twice(tmp_path):
    home = Home(tmp_path / UMLAUTS)
    home.prepare()
    home.prepare()
    assert [path.name for path in home.folder.iterdir()] == ["locks"]
    places = [home.dispatcher_lock, home.dispatcher_log, home.switched_off]
    assert {path.parent for path in [home.database, *places]} == {home.folder}


@pytest.mark.parametrize("blocked", ["", "jobs", "jobs/locks"])
def test_a_folder_that_cannot_be_made_is_named(tmp_path, blocked):
    home = Home(tmp_path / "x" / "jobs")
    file = tmp_path / "x" / blocked
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("in the way")
    with pytest.raises(RunError, match=r"folder .*x/jobs cannot be made: "):
        home.prepare()
    assert file.read_text() == "in the way"


@pytest.mark.parametrize("closed", ["", "locks"])
def test_a_folder_of_somebody_else_is_refused(tmp_path, closed, monkeypatch):
    home = Home(tmp_path)
    home.prepare()
    (home.folder / closed).chmod(0o500)
    if os.geteuid() == 0:  # whom no mode bits stop
        modes = lambda path, mode: bool(os.stat(path).st_mode & 0o200)  # noqa: E731
        monkeypatch.setattr(os, "access", modes)
    with pytest.raises(RunError, match=r"must be writable, got .*Set VOGN_JOBS to"):
        home.prepare()
    (home.folder / closed).chmod(0o700)
    home.prepare()


# --- locks of runs ---


def test_each_run_has_a_lock_of_its_own(tmp_path):
    home = Home(tmp_path / "jobs")
    paths = ["/a/run", "/b/run", "/a/run2", "/a/r\u00fcn", "/a/run "]
    locks = {home.run_lock(Run(Path(path))) for path in paths}
    assert len(locks) == len(paths)
    assert {lock.parent for lock in locks} == {home.folder / "locks"}
    assert home.run_lock(Run(Path("/a/run"))).name.startswith("run-")


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, os.fsdecode(b"\xff" * 255)])
def test_the_longest_names_of_runs_have_a_lock(tmp_path, name):
    home = Home(tmp_path / "jobs")
    home.prepare()
    (tmp_path / name).mkdir()
    home.run_lock(Run(tmp_path / name)).touch()


# --- network file systems ---


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "lustre", "fuse.sshfs"])
def test_a_network_file_system_is_refused_in_a_sentence(tmp_path, mounted, kind):
    mounted(("/", "ext4"), (tmp_path, kind))
    with pytest.raises(RunError) as caught:
        Home(tmp_path / "jobs").prepare()
    assert str(caught.value) == (
        f"the job engine must live on a disk of this machine, got {tmp_path}/jobs on a "
        f"network file system ({kind}). Set VOGN_JOBS to a local place, such as "
        "~/.vogn-jobs; the runs may stay where they are."
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "overlay", "tmpfs", "zfs"])
def test_a_local_file_system_is_taken(tmp_path, mounted, kind):
    mounted(("/", "nfs4"), (tmp_path, kind))
    Home(tmp_path / "jobs").prepare()
    check_local(tmp_path / "jobs.db", "VOGN_JOBS_URL")


def test_the_deepest_mount_point_counts(tmp_path, mounted):
    mounted(
        ("/", "ext4"),
        (tmp_path, "nfs4"),
        (tmp_path / "a b", "xfs"),
        (tmp_path / "a b" / "ü", "fuse.sshfs"),
        (tmp_path / "a", "cifs"),
    )
    expected = {
        ".": "nfs4", "new": "nfs4", "a": "cifs", "a/x/y": "cifs", "a b": "",
        "a b/x": "", "a b/ü": "fuse.sshfs", "a b/ü/x/y": "fuse.sshfs",
        "a bc": "nfs4", "a b/../x": "nfs4",
    }  # fmt: skip
    found = {name: network_file_system(tmp_path / name) for name in expected}
    assert found == expected
    assert network_file_system(Path("/somewhere")) == ""


def test_of_two_mounts_at_one_place_the_later_one_is_seen(tmp_path, mounted):
    mounted((tmp_path, "autofs"), (tmp_path, "nfs4"))
    assert network_file_system(tmp_path / "x") == "nfs4"
    mounted((tmp_path, "nfs4"), (tmp_path, "ext4"))
    assert network_file_system(tmp_path / "x") == ""


def test_a_link_is_followed_to_where_it_leads(tmp_path, mounted):
    (tmp_path / "far").mkdir()
    (tmp_path / "near").symlink_to(tmp_path / "far")
    mounted(("/", "ext4"), (tmp_path / "far", "nfs4"))
    assert network_file_system(tmp_path / "near" / "jobs") == "nfs4"


def test_this_machine_can_be_asked(tmp_path):
    assert network_file_system(Path("/proc/self")) == ""
    assert isinstance(network_file_system(tmp_path / "x"), str)


def test_a_supervisor_needs_no_database_to_know_its_home():
    code = "import trainers.jobs.home, sys; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

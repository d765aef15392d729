"""Tests of the checks of the machine."""

from types import SimpleNamespace

import pytest

from trainers.doctor import FAIL, OK, WARN, machine
from trainers.jobs.nvml import Gpu

GIB = machine.GIB


def only(findings):
    (finding,) = findings
    return finding


def gpu(index, free=80, processes=()):
    return Gpu(f"GPU-{index}", index, "Big", 80 * GIB, free * GIB, processes)


@pytest.fixture
def gpus(monkeypatch):
    def pretend(*found, problem="", board=True):
        monkeypatch.setattr(machine.nvml, "survey", lambda: (list(found), problem))
        monkeypatch.setattr(machine, "_has_nvidia_board", lambda root: board)

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return pretend


def test_cores_and_slots(monkeypatch):
    monkeypatch.setattr(machine, "_cores", lambda: 4)
    monkeypatch.setenv("VOGN_CPU_SLOTS", "3")
    finding = only(machine.cpu())
    assert (finding.level, finding.text) == (
        OK, "4 cores; 3 runs at a time may use them.",
    )  # fmt: skip
    monkeypatch.setenv("VOGN_CPU_SLOTS", "5")
    assert only(machine.cpu()).level == WARN
    monkeypatch.setenv("VOGN_CPU_SLOTS", "many")
    assert only(machine.cpu()).level == FAIL


def test_little_memory_is_a_warning(monkeypatch):
    assert only(machine.memory()).text.count("GiB") == 2
    seen = SimpleNamespace(available=GIB // 2, total=8 * GIB)
    monkeypatch.setattr(machine.psutil, "virtual_memory", lambda: seen)
    finding = only(machine.memory())
    assert (finding.level, finding.text) == (WARN, "0.5 GiB of 8.0 GiB are free.")


def test_a_machine_without_a_gpu_is_fine(gpus):
    gpus(problem="NVML Shared Library Not Found", board=False)
    assert only(machine.gpus()).level == OK


def test_a_gpu_without_a_usable_driver_is_told(gpus):
    gpus(problem="Driver/library version mismatch")
    finding = only(machine.gpus())
    assert finding.level == WARN
    assert "version mismatch" in finding.text


def test_gpus_and_who_uses_them(gpus):
    gpus(gpu(0), gpu(1, free=10), gpu(2, processes=(2**30,)))
    free, full, used = machine.gpus()
    assert (free.level, free.text) == (
        OK, "GPU 0 (Big): 80.0 GiB of 80.0 GiB are free, 0 processes use it.",
    )  # fmt: skip
    assert {full.level, used.level} == {WARN}
    assert "80 % are wanted" in full.advice
    assert f"used by process {2**30}" in used.advice


def test_a_gpu_that_our_own_run_uses_is_fine(gpus, monkeypatch):
    member = SimpleNamespace(process=SimpleNamespace(pid=7))
    monkeypatch.setattr(machine, "members", lambda home: [member])
    gpus(gpu(0, free=10, processes=(7,)))
    assert only(machine.gpus()).level == OK


def test_hidden_gpus_are_told(gpus, monkeypatch):
    gpus(gpu(0), gpu(1))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    hidden, shown = machine.gpus()
    assert hidden.text == "CUDA_VISIBLE_DEVICES='1' shows 1 of 2 GPUs."
    assert shown.text.startswith("GPU 1 ")


def test_a_wrong_share_of_memory_is_told(gpus, monkeypatch):
    gpus(gpu(0))
    monkeypatch.setenv("VOGN_MIN_FREE_MEMORY", "80")
    wrong, shown = machine.gpus()
    assert (wrong.level, shown.level) == (FAIL, OK)
    assert "VOGN_MIN_FREE_MEMORY must be a number in (0, 1]" in wrong.text


def test_a_board_is_found_on_the_bus(tmp_path):
    assert not machine._has_nvidia_board(tmp_path / "none")
    for name, vendor, kind in (
        ("a", "0x8086", "0x030000"),
        ("b", "0x10de", "0x040300"),  # the sound of a graphics card
        ("c", "0x10de", "0x030200"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "vendor").write_text(vendor + "\n")
        (tmp_path / name / "class").write_text(kind + "\n")
        assert machine._has_nvidia_board(tmp_path) == (name == "c")


def test_folders_that_are_not_there_are_measured_above(tmp_path, monkeypatch):
    monkeypatch.setenv("VOGN_JOBS", str(tmp_path / "deep" / "jobs"))
    findings = list(machine.disks())
    assert [f.name for f in findings] == ["runs", "data folder", "engine folder"]
    assert {f.level for f in findings} <= {OK, WARN}
    assert str(tmp_path / "deep" / "jobs") in findings[2].text
    assert not (tmp_path / "deep").exists()


@pytest.mark.parametrize(("free", "level"), [(9, OK), (1, WARN), (0.1, FAIL)])
def test_a_full_disk_is_told(tmp_path, monkeypatch, free, level):
    usage = SimpleNamespace(free=free * GIB)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: usage)
    assert machine._disk("runs", tmp_path).level == level


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("VOGN_JOBS", str(tmp_path / "file" / "jobs"))
    finding = list(machine.disks())[2]
    assert finding.level == FAIL
    told = f"{tmp_path}/file/jobs cannot be a folder: {tmp_path}/file is a file."
    assert finding.text == told


def test_a_read_only_folder_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(machine.os, "access", lambda path, mode: False)
    finding = machine._disk("runs", tmp_path / "runs")
    assert (finding.level, finding.text) == (FAIL, f"{tmp_path} cannot be written to.")


def test_only_the_engine_must_not_be_on_a_network(monkeypatch):
    monkeypatch.setattr(machine, "network_file_system", lambda path: "nfs4")
    runs, _, engine = machine.disks()
    assert (runs.level, engine.level) == (OK, FAIL)
    assert "a network file system (nfs4)" in runs.text
    assert "VOGN_JOBS" in engine.advice


def test_datasets_at_hand_are_told_from_those_that_are_not(tmp_path):
    sets, places = machine.datasets()
    at_hand, others = sets.text.split("Downloaded")
    assert "digits" in at_hand
    assert "cifar10" in others
    assert str(tmp_path / "cache") in places.text

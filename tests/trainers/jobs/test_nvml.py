"""Tests of what is made of NVML's answers, with a fake of pynvml's surface."""

import inspect
import subprocess
import sys
from dataclasses import dataclass, field

import pynvml
import pytest

from trainers.jobs.nvml import Gpu, gpus, survey

GB = 10**9


@dataclass
class Board:
    """A device of the fake driver. What is None is not supported."""

    uuid: str | bytes | None = "GPU-a"
    name: str | bytes | None = "NVIDIA H200"
    memory: tuple[int, int] | None = (141 * GB, 140 * GB)
    pids: list[int] | None = field(default_factory=list)
    mig_mode: int | None = pynvml.NVML_DEVICE_MIG_DISABLE
    instances: list["Board | None"] = field(default_factory=list)
    ids: tuple[int, int] | None = None
    busy: int | None = None
    heat: int | None = None
    power: int | None = None


def told(value, code=pynvml.NVML_ERROR_NOT_SUPPORTED):
    if value is None:
        raise pynvml.NVMLError(code)
    return value


class FakeNvml:
    """The part of pynvml that is used, with pynvml's own errors and structures."""

    NVMLError = pynvml.NVMLError
    NVML_DEVICE_MIG_ENABLE = pynvml.NVML_DEVICE_MIG_ENABLE
    NVML_TEMPERATURE_GPU = pynvml.NVML_TEMPERATURE_GPU

    def __init__(self, *boards, error=None, shutdown_error=None):
        self.boards = boards
        self.error = error
        self.shutdown_error = shutdown_error
        self.users = 0
        self.looks = 0

    def nvmlInit(self):
        if self.error is not None:
            raise pynvml.NVMLError(self.error)
        self.users += 1
        self.looks += 1

    def nvmlShutdown(self):
        self.users -= 1
        if self.shutdown_error is not None:
            raise pynvml.NVMLError(self.shutdown_error)

    def nvmlDeviceGetCount(self):
        if not self.users:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_UNINITIALIZED)
        return len(self.boards)

    def nvmlDeviceGetHandleByIndex(self, index):
        return told(self.boards[index], pynvml.NVML_ERROR_GPU_IS_LOST)

    def nvmlDeviceGetUUID(self, handle):
        return told(handle.uuid)

    def nvmlDeviceGetName(self, handle):
        return told(handle.name)

    def nvmlDeviceGetMemoryInfo(self, handle):
        total, free = told(handle.memory, pynvml.NVML_ERROR_NO_PERMISSION)
        return pynvml.c_nvmlMemory_t(total=total, free=free, used=total - free)

    def nvmlDeviceGetComputeRunningProcesses(self, handle):
        told(handle.pids)
        usage = {"usedGpuMemory": None}
        return [pynvml.nvmlFriendlyObject({"pid": p} | usage) for p in handle.pids]

    def nvmlDeviceGetUtilizationRates(self, handle):
        return pynvml.c_nvmlUtilization_t(gpu=told(handle.busy), memory=0)

    def nvmlDeviceGetTemperature(self, handle, sensor):
        assert sensor == pynvml.NVML_TEMPERATURE_GPU
        return told(handle.heat)

    def nvmlDeviceGetPowerUsage(self, handle):
        return told(handle.power)

    def nvmlDeviceGetMigMode(self, device):
        return [told(device.mig_mode), pynvml.NVML_DEVICE_MIG_ENABLE]

    def nvmlDeviceGetMaxMigDeviceCount(self, device):
        return len(device.instances)

    def nvmlDeviceGetMigDeviceHandleByIndex(self, device, index):
        return told(device.instances[index], pynvml.NVML_ERROR_NOT_FOUND)

    def nvmlDeviceGetGpuInstanceId(self, device):
        return told(device.ids)[0]

    def nvmlDeviceGetComputeInstanceId(self, device):
        return told(device.ids)[1]


@pytest.fixture
def driver(monkeypatch):
    """Install a fake driver with the given boards."""

    def install(*boards, **errors):
        fake = FakeNvml(*boards, **errors)
        monkeypatch.setitem(sys.modules, "pynvml", fake)
        return fake

    return install


def split_board():
    """Return a board of two instances, with a free place between them."""
    return Board(
        uuid="GPU-whole", memory=None, pids=[1, 2],
        mig_mode=pynvml.NVML_DEVICE_MIG_ENABLE,
        instances=[
            Board("MIG-one", "NVIDIA A100 MIG 1g.5gb", (5 * GB, 4 * GB), [1],
                  None, [], (7, 0)),
            None,
            Board("MIG-two", "NVIDIA A100 MIG 1g.5gb", (5 * GB, 5 * GB), [],
                  None, [], None),
        ],
    )  # fmt: skip


def test_a_gpu_is_described(driver):
    driver(Board(), Board("GPU-b", pids=[9, 4, 9]))
    described = [
        Gpu("GPU-a", 0, "NVIDIA H200", 141 * GB, 140 * GB, ()),
        Gpu("GPU-b", 1, "NVIDIA H200", 141 * GB, 140 * GB, (4, 9)),
    ]
    assert survey() == (described, "")
    assert gpus() == described


def test_load_heat_and_power_are_told_where_the_driver_does(driver):
    driver(Board(busy=0, heat=41, power=310_500), Board("GPU-b", heat=0))
    told_of, silent = gpus()
    assert (told_of.utilisation, told_of.temperature, told_of.power) == (0, 41, 310.5)
    assert (silent.utilisation, silent.temperature, silent.power) == (None, 0, None)


def test_a_machine_with_a_driver_and_no_gpus(driver):
    driver()
    assert survey() == ([], "")


def test_bytes_of_older_versions_become_text(driver):
    driver(Board(b"GPU-a", b"Tesla T4"))
    assert [(gpu.uuid, gpu.name) for gpu in gpus()] == [("GPU-a", "Tesla T4")]


@pytest.mark.parametrize(
    ("missing", "changed"),
    [
        ("name", {"name": "NVIDIA GPU"}),
        ("memory", {"total_memory": 0, "free_memory": 0}),
        ("pids", {"processes": ()}),
        ("mig_mode", {}),
    ],
)
def test_what_a_driver_does_not_tell_leaves_the_rest(driver, missing, changed):
    known = {"uuid": "GPU-a", "index": 0, "name": "NVIDIA H200", "processes": (5,)}
    known |= {"total_memory": 141 * GB, "free_memory": 140 * GB}
    driver(Board(**({"pids": [5]} | {missing: None})))
    assert survey() == ([Gpu(**(known | changed))], "")


def test_the_instances_of_a_split_gpu_are_the_devices(driver):
    driver(Board(), split_board(), Board("GPU-c"))
    name = "NVIDIA A100 MIG 1g.5gb instance"
    assert gpus()[1:3] == [
        Gpu("MIG-one", 1, f"{name} 0", 5 * GB, 4 * GB, (1,), "MIG-GPU-whole/7/0"),
        Gpu("MIG-two", 1, f"{name} 2", 5 * GB, 5 * GB),
    ]
    assert [gpu.uuid for gpu in gpus()] == ["GPU-a", "MIG-one", "MIG-two", "GPU-c"]


def test_a_split_gpu_without_instances_offers_nothing(driver):
    driver(Board(mig_mode=pynvml.NVML_DEVICE_MIG_ENABLE))
    assert gpus() == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "version mismatch"),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "Driver Not Loaded"),
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, "NVML Shared Library Not Found"),
    ],
)
def test_an_unusable_driver_means_no_gpus(driver, code, words):
    driver(Board(), error=code)
    found, reason = survey()
    assert found == []
    assert words in reason


@pytest.mark.parametrize(
    ("broken", "words"),
    [(None, "GPU 1: GPU is lost"), (Board(uuid=None), "GPU 1: Not Supported")],
)
def test_a_broken_gpu_does_not_hide_the_others(driver, broken, words):
    driver(Board(), broken, Board("GPU-c"))
    found, reason = survey()
    assert [(gpu.uuid, gpu.index) for gpu in found] == [("GPU-a", 0), ("GPU-c", 2)]
    assert reason == words


def test_every_look_closes_the_driver_again(driver):
    fake = driver(Board(), None)
    gpus()
    survey()
    assert (fake.users, fake.looks) == (0, 2)


def test_a_driver_that_fails_to_close_is_no_problem(driver):
    fake = driver(Board(), shutdown_error=pynvml.NVML_ERROR_UNKNOWN)
    found, reason = survey()
    assert (len(found), reason) == (1, "")
    assert fake.users == 0


def test_an_error_of_our_own_closes_the_driver_and_is_seen(driver):
    fake = driver(Board(memory=("many", "few")))
    with pytest.raises(TypeError):
        gpus()
    assert fake.users == 0


def test_the_fake_has_the_surface_of_the_real_module():
    names = [name for name in vars(FakeNvml) if name.startswith("nvml")]
    assert names
    for name in names:
        ours = inspect.signature(getattr(FakeNvml(), name)).parameters
        theirs = inspect.signature(getattr(pynvml, name))
        theirs.bind(*ours)


def test_the_real_module_answers_on_any_machine():
    found, reason = survey()
    assert all(isinstance(gpu, Gpu) for gpu in found)
    assert isinstance(reason, str)
    assert all(gpu.uuid.startswith(("GPU-", "MIG-")) for gpu in found)


def test_pynvml_is_imported_only_when_asked():
    code = "import sys, trainers.jobs.devices; sys.exit('pynvml' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)

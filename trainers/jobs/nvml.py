"""What NVIDIA's management library (NVML) says of the GPUs of this machine.

The only file that talks to pynvml, which is imported when first asked. A machine
without a usable driver has no GPUs; that is no error, and `survey` tells why. The
library is closed after every look: an open one keeps an administrator from exchanging
the driver or splitting a GPU.
"""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Gpu:
    """A GPU, or one MIG instance of a GPU that is split into several.

    Args:
        uuid: Name that lasts: "GPU-..." or "MIG-...".
        index: Number of the board in NVML's order, that of the PCI bus; the instances
            of a split GPU share it.
        name: Product name.
        total_memory: Bytes; 0 where the driver does not tell.
        free_memory: Bytes; 0 where the driver does not tell.
        processes: Numbers of the processes that compute on it.
        alias: Older name of a MIG instance, "MIG-GPU-.../1/0": board, GPU instance and
            compute instance; "" for a whole GPU.
        utilisation: Per cent of the last moments in which something computed on it.
        temperature: Degrees Celsius.
        power: Watts. These three are None where the driver does not tell, as of MIG
            instances.
    """

    uuid: str
    index: int
    name: str
    total_memory: int
    free_memory: int
    processes: tuple[int, ...] = ()
    alias: str = ""
    utilisation: float | None = None
    temperature: float | None = None
    power: float | None = None


def gpus() -> list[Gpu]:
    """The GPUs of this machine as they are now; [] without a usable driver.

    A look opens the driver, which takes up to half a second on machines with many GPUs:
    not for every turn of a quick loop.
    """
    return survey()[0]


def survey() -> tuple[list[Gpu], str]:
    """What `gpus` returns, and why other GPUs cannot be seen.

    The reason is in NVML's own words; "" when nothing is wrong.
    """
    nvml = importlib.import_module("pynvml")
    found: list[Gpu] = []
    problems: list[str] = []
    try:
        with _opened(nvml):
            for index in range(nvml.nvmlDeviceGetCount()):
                try:
                    found += _gpus_at(nvml, index)
                except nvml.NVMLError as error:  # one broken GPU, not all
                    problems.append(f"GPU {index}: {error}")
    except nvml.NVMLError as error:
        problems.append(str(error))
    return found, "; ".join(problems)


@contextmanager
def _opened(nvml: Any) -> Iterator[None]:
    nvml.nvmlInit()
    try:
        yield
    finally:
        with suppress(nvml.NVMLError):
            nvml.nvmlShutdown()


def _gpus_at(nvml: Any, index: int) -> list[Gpu]:
    board = nvml.nvmlDeviceGetHandleByIndex(index)
    mode = _asked(nvml, None, nvml.nvmlDeviceGetMigMode, board)
    if mode is None or mode[0] != nvml.NVML_DEVICE_MIG_ENABLE:
        return [_described(nvml, board, index)]
    return _instances(nvml, board, index)


def _instances(nvml: Any, board: Any, index: int) -> list[Gpu]:
    uuid = _text(nvml.nvmlDeviceGetUUID(board))
    places = range(_asked(nvml, 0, nvml.nvmlDeviceGetMaxMigDeviceCount, board))
    get = nvml.nvmlDeviceGetMigDeviceHandleByIndex
    handles = {place: _asked(nvml, None, get, board, place) for place in places}
    return [
        _described(nvml, handle, index, f" instance {place}", uuid)
        for place, handle in handles.items()
        if handle is not None  # none was made at this place, or it is not for us
    ]


def _described(
    nvml: Any, handle: Any, index: int, suffix: str = "", board: str = ""
) -> Gpu:
    name = _text(_asked(nvml, "NVIDIA GPU", nvml.nvmlDeviceGetName, handle))
    memory = _asked(nvml, None, nvml.nvmlDeviceGetMemoryInfo, handle)
    jobs = _asked(nvml, [], nvml.nvmlDeviceGetComputeRunningProcesses, handle)
    rates = _asked(nvml, None, nvml.nvmlDeviceGetUtilizationRates, handle)
    sensor = nvml.NVML_TEMPERATURE_GPU
    heat = _asked(nvml, None, nvml.nvmlDeviceGetTemperature, handle, sensor)
    milliwatts = _asked(nvml, None, nvml.nvmlDeviceGetPowerUsage, handle)
    return Gpu(
        uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
        index=index,
        name=name + suffix,
        total_memory=int(memory.total) if memory else 0,
        free_memory=int(memory.free) if memory else 0,
        processes=tuple(sorted({int(job.pid) for job in jobs})),
        alias=_alias(nvml, handle, board) if board else "",
        utilisation=float(rates.gpu) if rates else None,
        temperature=None if heat is None else float(heat),
        power=None if milliwatts is None else milliwatts / 1000,
    )


def _alias(nvml: Any, instance: Any, board: str) -> str:
    gpu_instance = _asked(nvml, None, nvml.nvmlDeviceGetGpuInstanceId, instance)
    compute = _asked(nvml, None, nvml.nvmlDeviceGetComputeInstanceId, instance)
    if gpu_instance is None or compute is None:
        return ""
    return f"MIG-{board}/{gpu_instance}/{compute}"


def _asked(nvml: Any, default: Any, query: Callable[..., Any], *arguments: Any) -> Any:
    """The answer to one question, or the default where the driver has none."""
    try:
        return query(*arguments)
    except nvml.NVMLError:
        return default


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value  # by pynvml's version

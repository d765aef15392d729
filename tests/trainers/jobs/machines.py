"""Machines for tests of devices: whole GPUs, a split one, and none."""

from trainers.jobs.devices import inventory
from trainers.jobs.nvml import Gpu

UUIDS = ("GPU-8932f937-d72c", "GPU-8932aaaa-4106", "GPU-20bd9fae-d9f6", "GPU-77-1")
GIB = 2**30


def gpu(uuid, index, **details):
    details = {"total_memory": 100 * GIB, "free_memory": 99 * GIB} | details
    return Gpu(uuid, index, "NVIDIA H200", **details)


BOARDS = [gpu(uuid, index) for index, uuid in enumerate(UUIDS)]
# A split GPU between two whole ones.
SPLIT = [
    gpu("GPU-a", 0),
    gpu("MIG-one", 1, alias="MIG-GPU-whole/7/0"),
    gpu("MIG-two", 1, alias="MIG-GPU-whole/8/0"),
    gpu("GPU-c", 2),
]
INSTANCES = inventory(SPLIT[1:3], 1)
MACHINE = inventory(BOARDS, 2)
ONLY_CPU = inventory([], 2)


def ids(devices):
    return [device.id for device in devices]

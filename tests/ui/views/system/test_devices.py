"""Tests of `ui/views/system/devices.py`."""

from trainers.jobs import nvml
from trainers.jobs.devices import CPU, GPU, Device
from trainers.jobs.inventory import Inventory
from trainers.jobs.store import Lease
from ui.views.system.devices import device_rows

GIB = 2**30


def test_devices_tell_who_has_them_and_what_is_free():
    gpu = nvml.Gpu("GPU-1", 0, "H200", 140 * GIB, 100 * GIB)
    devices = [
        Device("GPU-1", GPU, "GPU 0 (H200)"),
        Device("GPU-2", GPU, "GPU 1 (H200)"),
        Device("cpu:0", CPU, "CPU slot 0"),
    ]
    inventory = Inventory(devices, {"GPU-2": "used by process 7 (python)"})
    rows = device_rows(inventory, [Lease("GPU-1", "/runs/a")], [gpu])
    assert [row["In use by"] for row in rows] == [
        "run a", "used by process 7 (python)", "nobody",
    ]  # fmt: skip
    assert [row["Memory"] for row in rows] == [
        "100.0 GiB of 140.0 GiB free", "not told by the driver",
        "shared with the machine",
    ]  # fmt: skip

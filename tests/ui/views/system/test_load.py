"""Tests of `ui/views/system/load.py`."""

from tests.ui.seen import charts
from trainers.jobs import nvml
from trainers.jobs.devices import CPU, GPU, Device
from trainers.jobs.inventory import Inventory
from trainers.jobs.store import Lease
from ui.views.system.load import device_rows, disk_rows

GIB = 2**30


def test_processor_memory_and_load_are_shown(open_page):
    app = open_page("system")
    assert [each.label for each in app.metric] == [
        "Processor", "Memory", "Load of a core",
    ]  # fmt: skip
    app.run()
    assert not app.exception
    assert len(app.session_state["system_load"]) == 2
    (chart,) = [each for key, each in charts(app).items() if key == "load"]
    assert [len(trace["x"]) for trace in chart["figure"]["data"]] == [2, 2]
    assert chart["figure"]["layout"]["yaxis"]["range"] == [0, 101]


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
    assert rows[0]["Free memory"] == "100.0 GiB of 140.0 GiB"
    assert rows[2]["Free memory"] == "shared with the machine"


def test_the_folders_are_those_of_this_server(root):
    rows = {row["Folder"]: row for row in disk_rows()}
    assert rows["Runs"]["Path"] == str(root)
    assert rows["Job engine"]["Path"] == str(root / ".jobs")
    assert all(0 <= row["Disk in use"] <= 1 for row in rows.values())
    assert rows["Runs"]["Can be written"] == "yes"

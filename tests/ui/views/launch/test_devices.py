"""Tests of `ui/views/launch/devices.py`; the launch page's tests fill it in."""

import pytest

from tests.ui import fakes
from tests.ui.seen import text
from trainers import jobs
from trainers.jobs import nvml
from trainers.jobs.devices import CPU, GPU, Device
from trainers.jobs.inventory import Inventory
from ui.views.launch import devices, outlook
from ui.views.launch.devices import Row, rows

GIB = 2**30
SLOT = Device("cpu:0", CPU, "CPU slot 0")
FIRST = Device("GPU-a", GPU, "GPU 0 (H200)")
SECOND = Device("GPU-b", GPU, "GPU 1 (H200)")


def gpu(uuid, index=0, free=100):
    return nvml.Gpu(uuid, index, "H200", 141 * GIB, free * GIB)


def test_a_row_a_gpu_tells_who_has_it_and_how_much_is_free():
    inventory = Inventory(
        [FIRST, SECOND, SLOT], {"GPU-b": f"{SECOND.name} is used by x"}
    )
    found = rows(inventory, [gpu("GPU-a"), gpu("GPU-b", 1, 2)], {"GPU-a": "/runs/mine"})
    assert found == [
        Row("cuda:0", FIRST.name, "100.0 of 141 GiB free", "/runs/mine"),
        Row(
            "cuda:1",
            SECOND.name,
            "2.0 of 141 GiB free",
            "",
            "GPU 1 (H200) is used by x",
        ),
    ]
    assert [row.state for row in found] == ["taken by run mine", "is used by x"]
    assert rows(inventory, [], {})[0].state == "free"


def test_a_driver_that_does_not_tell_its_memory_is_left_in_peace():
    silent = nvml.Gpu("GPU-a", 0, "H200", 0, 0)
    assert rows(Inventory([FIRST], {}), [silent], {})[0].memory == ""


def test_of_instances_only_the_first_can_be_named():
    split = [Device(f"MIG-{k}", GPU, "GPU 0") for k in range(2)]
    assert [row.setting for row in rows(Inventory(split, {}), [], {})] == ["cuda:0", ""]


@pytest.fixture
def one_gpu(monkeypatch):
    monkeypatch.setattr(nvml, "gpus", lambda: [gpu("GPU-a")])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for cached in (outlook.inventory_now, devices._gpus):
        cached.clear()
    yield
    for cached in (outlook.inventory_now, devices._gpus):
        cached.clear()


def test_without_a_gpu_a_line_says_so(open_page):
    app = open_page("launch")
    assert "There is no GPU that can be used here" in text(app)
    offered = app.selectbox(key="device").options
    assert offered == ["Auto: CPU", "CPU", "Any GPU"]


def test_more_processes_than_cores_are_told(open_page, monkeypatch):
    monkeypatch.setattr(devices, "cores", lambda: 2)
    app = open_page("launch")
    app.number_input(key="num_processes").set_value(3).run()
    assert "3 processes wait for each other on 2 cores." in text(app)


def test_each_gpu_can_be_chosen_and_its_run_is_told(open_page, root, one_gpu):
    engine = jobs.engine()
    engine.submit([fakes.config(device="cuda")], paths=[root / "busy"])
    engine.store.claim(engine.store.host, lambda q, _: ([(q[0], ["GPU-a"])][0:1], {}))
    app = open_page("launch")
    assert not app.exception
    assert "GPU 0 (H200)" in app.selectbox(key="device").options
    assert "GPU 0 (H200) · 100.0 of 141 GiB free" in text(app)
    assert "taken by run busy" in next(link.label for link in app.get("page_link"))
    app.selectbox(key="device").set_value("cuda:0").run()
    assert "--device cuda:0" in app.code[0].value

"""Tests of `ui/views/system/load.py`."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from tests.ui.seen import charts
from trainers.jobs import nvml
from ui.views.system import load
from ui.views.system.load import Look, Spent, gpu_figure, load_figure

GIB = 2**30


def test_processor_memory_and_load_are_shown(open_page):
    app = open_page("system")
    assert [each.label for each in app.metric] == [
        "Processor", "Memory", "Load of a core",
    ]  # fmt: skip
    app.run()
    assert not app.exception
    assert len(app.session_state["system_load"]) == 2
    (chart,) = [each for key, each in charts(app).items() if key.startswith("load")]
    assert [len(trace["x"]) for trace in chart["figure"]["data"]] == [2, 2]
    assert chart["figure"]["layout"]["yaxis"]["range"] == [0, 101]


@pytest.fixture
def clock(monkeypatch):
    """What two cores did; a test says how it goes on."""

    class Times(NamedTuple):
        user: float = 100.0
        guest: float = 50.0
        idle: float = 40.0
        iowait: float = 10.0

    told = []
    monkeypatch.setattr(load.psutil, "cpu_count", lambda: 2)
    monkeypatch.setattr(load.psutil, "cpu_times", lambda: told.pop(0))
    monkeypatch.setattr(load.time, "sleep", lambda seconds: None)
    return lambda *several: told.extend(Times(**each) for each in several)


def processor(*past):
    """As Streamlit asks: each time in a thread of its own."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(load._processor, past).result()


def test_the_processor_is_counted_from_look_to_look(clock):
    # Guests are among users, and waiting for a disk is no work.
    clock({}, {"user": 103.0, "guest": 52.0, "idle": 40.5, "iowait": 10.5})
    share, spent = processor()
    assert (share, spent) == (75.0, Spent(103.0, 154.0))
    before = Look(1.0, share, 2, {}, spent)
    clock({"user": 104.0, "idle": 43.0, "iowait": 11.0})
    assert processor(before) == (25.0, Spent(104.0, 158.0))


def test_of_a_moment_nothing_new_is_told_and_of_no_time_nothing(clock):
    before = Look(1.0, 80.0, 2, {}, Spent(100.0, 149.1))
    clock({})
    assert processor(before) == (80.0, before.spent)
    clock({}, {})
    assert processor()[0] is None


def test_gpus_are_shown_with_what_their_driver_tells(open_page, monkeypatch):
    told = nvml.Gpu(
        "GPU-1", 0, "H200", 140 * GIB, 35 * GIB,
        utilisation=87.0, temperature=62.0, power=412.4,
    )  # fmt: skip
    monkeypatch.setattr(nvml, "gpus", lambda: [told, nvml.Gpu("GPU-2", 1, "Old", 0, 0)])
    app = open_page("system")
    assert not app.exception
    found = [(each.label, each.value, each.delta) for each in app.metric][3:]
    assert found == [
        ("GPU 0", "87 %", "62 °C, 412 W"),
        ("GPU 0 memory", "75 %", "35.0 GiB of 140.0 GiB free"),
        ("GPU 1", "-", "not told by the driver"),
        ("GPU 1 memory", "-", "not told by the driver"),
    ]
    chart = charts(app)["load-gpus"]
    assert chart["alt"] == "Share of the time in which GPUs computed, now: GPU 0 87 %."
    (trace,) = chart["figure"]["data"]  # none of a GPU that says nothing
    assert (trace["name"], trace["y"]) == ("GPU 0", [87.0])


def test_curves_go_back_in_time_and_lines_differ():
    names = [f"GPU {k}" for k in range(9)]
    spent = Spent(0.0, 0.0)
    past = [
        Look(10.0, 1, 2, {}, spent),
        Look(12.0, 3, 4, dict.fromkeys(names, 5.0), spent),
    ]
    processor, memory = load_figure(past)["data"]
    assert (processor["x"], processor["y"], memory["y"]) == ([-2, 0], [1, 3], [2, 4])
    traces = gpu_figure(past)["data"]
    assert traces[0]["y"] == [None, 5.0]  # it was not there yet
    looks = {(trace["line"]["color"], trace["line"]["dash"]) for trace in traces}
    assert len(looks) == 9

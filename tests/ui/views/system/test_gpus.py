"""Tests of `ui/views/system/gpus.py`."""

from trainers.jobs.nvml import Gpu
from ui.views.system.gpus import cards, titles, utilisation

GIB = 2**30


def test_parts_of_a_split_gpu_are_told_apart():
    split = [Gpu(f"MIG-{k}", 1, "A100", 5 * GIB, 4 * GIB) for k in "ab"]
    gpus = [Gpu("GPU-a", 0, "H200", 0, 0, utilisation=0.0), *split]
    assert titles(gpus) == ["GPU 0", "GPU 1, part 1", "GPU 1, part 2"]
    assert utilisation(gpus) == {
        "GPU 0": 0.0, "GPU 1, part 1": None, "GPU 1, part 2": None,
    }  # fmt: skip


def test_an_idle_gpu_is_not_a_silent_one():
    idle = Gpu("GPU-a", 0, "<H200>", GIB, GIB, utilisation=0.0)
    work, memory = cards([idle])
    assert work[:3] == ("GPU 0", "0 %", "heat and power not told by the driver")
    assert memory[:3] == ("GPU 0 memory", "0 %", "1.0 GiB of 1.0 GiB free")
    assert work[3].startswith("\\<H200\\>")
    (silent, _) = cards([Gpu("GPU-a", 0, "H200", GIB, GIB, power=70.0)])
    assert silent[:3] == ("GPU 0", "-", "70 W")
    assert silent[3].endswith("not told by the driver.")

"""Tests of what is known of the memory; those of estimates bring it to its end."""

import pytest
import torch

from trainers import memory
from trainers.memory import is_lack_of_memory, peak_memory

CPU = torch.device("cpu")


def test_a_container_has_no_more_than_its_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    free = memory.free_memory(CPU)
    assert free > 10_000
    (tmp_path / "memory.max").write_text("9000\n")
    (tmp_path / "memory.current").write_text("4000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 500\n")
    assert memory.free_memory(CPU) == 5500
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free_memory(CPU) > 10_000


def test_the_peak_is_that_of_the_process_during_the_block():
    with peak_memory(CPU) as before:
        pass
    with peak_memory(CPU) as peak:
        held = torch.ones(50_000_000)
        del held
        torch.ones(10).sum()
    assert peak[0] >= before[0] > 10e6


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("x"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("shapes do not fit"), False),
        (ValueError("x"), False),
    ],
)
def test_a_lack_of_memory_is_known(error, expected):
    assert is_lack_of_memory(error) is expected

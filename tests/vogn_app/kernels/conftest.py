"""What tests of the kernels share."""

import os

import pytest
import torch

from vogn_app.kernels import build, threads


@pytest.fixture
def native():
    """The library; with a compiler and not switched off, its absence is a failure."""
    if os.environ.get(build.SWITCH) == "0" or build.find_compiler() is None:
        pytest.skip("no C compiler, or the kernels are switched off")
    assert build.library() is not None


@pytest.fixture
def many_parts(monkeypatch):
    """However little there is to do, it is split; returns what sets the threads."""
    monkeypatch.setattr(threads, "LEAST", 1e-9)
    yield torch.set_num_threads
    torch.set_num_threads(1)

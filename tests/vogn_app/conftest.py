"""Every test of the library starts from one thread, one seed and double precision."""

import pytest
import torch


@pytest.fixture(autouse=True)
def same_start():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)

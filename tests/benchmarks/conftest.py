"""What all tests of the benchmarks need."""

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # tests run beside each other
    yield
    torch.set_num_threads(threads)

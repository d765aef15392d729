"""Sums over the processes, on one process; tests/vogn_app/integration has more."""

import pytest
import torch
import torch.distributed as dist

from vogn_app.distributed import sum_over_ranks


@pytest.fixture
def group(tmp_path):
    dist.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'meeting'}", rank=0, world_size=1
    )
    yield
    dist.destroy_process_group()


def test_tensors_of_several_types_and_layouts_keep_their_places(group):
    tensors = [
        torch.randn(3, 2), torch.randn(4, dtype=torch.float32), torch.randn(2, 3).T,
        torch.arange(3), torch.tensor(2.0),
    ]  # fmt: skip
    before = [tensor.clone() for tensor in tensors]
    sum_over_ranks(tensors)
    assert all(torch.equal(a, b) for a, b in zip(tensors, before, strict=True))


def test_nothing_to_add_up_is_fine(group):
    sum_over_ranks([])

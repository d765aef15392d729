"""Tests of what one process does where several would ask each other."""

import pytest
import torch
import torch.distributed as dist
from torch import nn

from trainers import group as module
from trainers.group import (
    DistributedError,
    Group,
    RankGroup,
    is_connection_error,
    joined,
)
from trainers.ranks import Ranks


def test_one_process_asks_nobody():
    model = nn.Linear(1, 1)
    with joined(Ranks()) as group:
        assert type(group) is Group
        assert not dist.is_initialized()
        assert group.is_main
        assert group.any(True, False) == (True, False)
        assert group.told("x") == group.from_main(lambda: "x") == "x"
        assert group.parallel(model) is model
        losses, corrects = torch.tensor([0.5, 0.25]), torch.tensor([3, 4])
        assert group.totals(losses, corrects, [5, 5], [5, 5]) == ([0.5, 0.25], [3, 4])
        group.wait()


def test_an_error_of_rank_0_is_raised_by_all():
    def fail():
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        Group().from_main(fail)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("[/src/gloo/transport/tcp/pair.cc:561] Connection closed"), True),
        (dist.DistBackendError("NCCL error"), True),
        (dist.DistNetworkError("Broken pipe"), True),
        (RuntimeError("shapes do not fit"), False),
        (ValueError("/gloo/"), False),
    ],
)
def test_errors_of_connections_are_known(error, expected):
    assert is_connection_error(error) is expected


def test_a_rank_that_never_comes_is_told(monkeypatch):
    monkeypatch.setattr(module, "MEETING", 0.1)
    group = RankGroup(Ranks(0, 2), dist.HashStore())
    with pytest.raises(DistributedError, match=r"all 2 ranks must come within 0\.1 s"):
        group.meet()
    assert not dist.is_initialized()

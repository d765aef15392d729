"""Owners get their sums, and everybody what the owners give, on real processes."""

import os
import signal

import pytest
import torch
import torch.distributed as dist
from torch import nn

from tests.vogn_app.distributed.processes import GONE, message_of, run
from vogn_app.distributed import Ranks, ranks_of, sharding
from vogn_app.distributed.packing import Half
from vogn_app.distributed.sharding import (
    gather_from_owners,
    reduce_to_owners,
    sum_over_ranks,
)

SIZES = {1: [4], 2: [3, 70], 4: [5, 0, 400, 1]}  # of ranks; uneven, and one empty
ROUNDING = {torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8}
LARGE = 2.0**53  # beyond single precision, and sums of such numbers stay exact


def buffers(rank, size, dtype=torch.float64):
    """What a rank has for each owner: whole numbers, so that sums have one value."""
    generator = torch.Generator().manual_seed(rank)
    top = LARGE / 4 if dtype == torch.float64 else 1000
    return [
        torch.rand(count, generator=generator).sub(0.5).mul(top).round().to(dtype)
        for count in SIZES[size]
    ]


def sums(size, owner, dtype=torch.float64):
    return sum(buffers(rank, size, dtype)[owner] for rank in range(size))


def halves_of(size, dtype):
    """Two entries to each buffer that is large enough."""
    return [
        Half((2, count - 2) if count > 2 else (count,), dtype) for count in SIZES[size]
    ]


def ranks_here():
    return ranks_of("default", nn.Linear(1, 1))


def collectives(rank, size):
    ranks, result = ranks_here(), {}
    for dtype in (torch.float64, torch.float32, torch.int64):
        own = buffers(rank, size, dtype)[rank]
        pending = reduce_to_owners(buffers(rank, size, dtype), ranks)
        result["sum", dtype] = pending.wait()
        assert pending.wait() is result["sum", dtype]
        result["all", dtype] = gather_from_owners(own, SIZES[size], ranks).wait()
        flat = torch.cat(buffers(rank, size, dtype))
        assert sum_over_ranks(flat, ranks).wait() is flat
        result["everywhere", dtype] = flat
    for dtype in ROUNDING:
        halves = halves_of(size, dtype)
        pending = reduce_to_owners(buffers(rank, size), ranks, halves)
        result["sum", dtype] = pending.wait()
    result["none"] = sum_over_ranks(torch.empty(0), ranks).wait()
    result["order"] = order(rank, size, ranks)
    result["lists"] = lists(rank, size, ranks)
    return result


def order(rank, size, ranks):
    """Several under way together, and waited for the other way round."""
    half = halves_of(size, torch.float16)
    own = buffers(rank, size)[rank]
    flat = torch.cat(buffers(rank, size))
    under_way = [
        reduce_to_owners(buffers(rank, size), ranks),
        gather_from_owners(own, SIZES[size], ranks),
        reduce_to_owners(buffers(rank, size), ranks, half),
        sum_over_ranks(flat, ranks),
        reduce_to_owners([2 * each for each in buffers(rank, size)], ranks),
    ]
    busy = torch.ones(50, 50) @ torch.ones(50, 50)  # what is computed meanwhile
    assert (busy == 50).all()
    return [pending.wait() for pending in under_way[::-1]][::-1]


def lists(rank, size, ranks):
    """As with a backend that takes lists: here it does unless they are uneven."""
    plain, sharding._has_uneven_lists = sharding._has_uneven_lists, lambda *_: True
    reduced = reduce_to_owners(buffers(rank, size), ranks).wait()
    own = torch.full((3,), float(rank))
    gathered = gather_from_owners(own, [3] * size, ranks).wait()
    sharding._has_uneven_lists = plain
    return reduced, gathered


@pytest.mark.parametrize("size", [2, 4])
def test_owners_get_sums_and_everybody_what_owners_have(size, tmp_path):
    results = run(collectives, size, tmp_path, size)
    for rank, result in enumerate(results):
        for dtype in (torch.float64, torch.float32, torch.int64):
            check_exact(result, rank, size, dtype)
        for dtype in ROUNDING:
            check_rounded(result, rank, size, dtype)
        assert result["none"].shape == (0,)
        check_order(result["order"], rank, size)
        reduced, gathered = result["lists"]
        assert torch.equal(reduced, sums(size, rank))
        assert [part.tolist() for part in gathered] == [[r] * 3 for r in range(size)]


def check_exact(result, rank, size, dtype):
    """To the last bit, in the type that was sent."""
    total = sums(size, rank, dtype)
    assert result["sum", dtype].dtype == dtype
    assert torch.equal(result["sum", dtype], total)
    parts = [buffers(owner, size, dtype)[owner] for owner in range(size)]
    for got, part in zip(result["all", dtype], parts, strict=True):
        assert torch.equal(got, part)
    everything = torch.cat([sums(size, owner, dtype) for owner in range(size)])
    assert torch.equal(result["everywhere", dtype], everything)


def check_rounded(result, rank, size, dtype):
    """Each rank's numbers were rounded once, and no sum was."""
    half = halves_of(size, dtype)[rank]
    parts = [buffers(other, size)[rank] for other in range(size)]
    decoded = [half.decode(half.encode(part), torch.float64) for part in parts]
    assert torch.equal(result["sum", dtype], sum(decoded))
    bound = ROUNDING[dtype] * sum(part.abs() for part in parts) + 2.0**-30 * LARGE
    assert ((result["sum", dtype] - sums(size, rank)).abs() <= bound).all()
    if SIZES[size][rank] > 2:
        assert not torch.equal(result["sum", dtype], sums(size, rank))


def check_order(got, rank, size):
    total = sums(size, rank)
    assert torch.equal(got[0], total)
    assert torch.equal(got[1][size - 1], buffers(size - 1, size)[size - 1])
    torch.testing.assert_close(got[2], total, rtol=0, atol=size * 2.0**-11 * LARGE)
    assert torch.equal(got[3], torch.cat([sums(size, r) for r in range(size)]))
    assert torch.equal(got[4], 2 * total)


# --- alone ------------------------------------------------------------------------


def test_a_lone_process_needs_no_group_and_rounds_nothing():
    assert not dist.is_initialized()
    result = collectives(0, 1)
    for dtype in (torch.float64, torch.float32, torch.int64):
        check_exact(result, 0, 1, dtype)
    for dtype in ROUNDING:
        assert torch.equal(result["sum", dtype], buffers(0, 1)[0])
    assert torch.equal(result["order"][4], 2 * buffers(0, 1)[0])


TWO = Ranks(1, 2)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: reduce_to_owners([torch.ones(1)], TWO),
         "buffers must be one for each of 2 ranks, got 1"),
        (lambda: reduce_to_owners([torch.ones(1)] * 2, TWO, [Half((1,), torch.half)]),
         "halves must be one for each of 2 ranks, got 1"),
        (lambda: gather_from_owners(torch.ones(1), [1], TWO),
         "sizes must be one for each of 2 ranks, got 1"),
        (lambda: gather_from_owners(torch.ones(3), [3, 4], TWO),
         "own must have the 4 numbers of rank 1, got 3"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_before_anything_is_sent(call, text):
    with pytest.raises(ValueError, match=text):
        call()


@pytest.mark.parametrize(
    ("backends", "expected"),
    [("cuda:nccl", True), ("cpu:gloo,cuda:nccl", True), ("cpu:gloo,cuda:gloo", False)],
)
def test_lists_are_for_nccl(backends, expected, monkeypatch):
    monkeypatch.setattr(dist, "get_backend_config", lambda group: backends)
    there = torch.empty(0, device="meta")
    assert not sharding._has_uneven_lists(there, Ranks())
    monkeypatch.setattr(torch.Tensor, "device", torch.device("cuda"))
    assert sharding._has_uneven_lists(there, Ranks()) == expected


# --- a rank that is gone ----------------------------------------------------------


def dies(rank):
    ranks, ones = ranks_here(), torch.ones(2)
    halves = [Half((2,), torch.float16)] * 2
    if rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    calls = [
        lambda: sum_over_ranks(ones, ranks),
        lambda: reduce_to_owners([ones, ones], ranks),
        lambda: reduce_to_owners([ones, ones], ranks, halves),
        lambda: gather_from_owners(ones, [2, 2], ranks),
    ]
    messages = [message_of(lambda call=call: call().wait()) for call in calls]
    dist.destroy_process_group()
    return messages


def test_whoever_waits_for_a_rank_that_is_gone_is_told(tmp_path):
    messages, gone = run(dies, 2, tmp_path, may_die=(1,))
    assert gone is None
    assert len(messages) == 4
    for message, seconds in messages:
        assert message.startswith(f"RuntimeError: {GONE}")
        assert seconds < 20

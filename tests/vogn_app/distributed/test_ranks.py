"""Who trains together, what they begin with, and how they tell that one is gone."""

import os
import signal

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from tests.vogn_app.distributed.processes import GONE, message_of, run
from vogn_app.distributed import (
    Ranks,
    check_process_group,
    check_same,
    copy_from_first,
    fingerprint,
    ranks_of,
    wrapper_silenced,
)


def test_without_processes_everybody_is_alone():
    for group in ("default", None):
        assert ranks_of(group, nn.Linear(2, 2)) == Ranks(0, 1, None)
    assert not Ranks().several


@pytest.mark.parametrize("group", ["world", 3, -100])
def test_what_is_no_process_group_is_named(group):
    with pytest.raises(ValueError, match="process_group must be") as caught:
        check_process_group(group)
    assert str(caught.value) == (
        f"process_group must be a ProcessGroup, 'default' or None, got {group!r}."
    )


def who(rank):
    model = nn.Linear(2, 2)
    pairs = [dist.new_group([0, 1]), dist.new_group([2, 3])]
    own = pairs[rank // 2]
    wrapped = DistributedDataParallel(model, process_group=own)
    everybody = ranks_of("default", model)
    seen = [
        ranks_of(group, root)
        for group, root in [
            ("default", model), (own, model), ("default", wrapped), (None, wrapped),
        ]
    ]  # fmt: skip
    assert seen[1].group is own
    assert check_process_group(own) is own
    stranger = message_of(check_process_group, pairs[1 - rank // 2])[0]
    dist.barrier()
    dist.destroy_process_group()
    alone = ranks_of("default", wrapped)
    gone = message_of(ranks_of, own, model)
    meeting = f"file://{os.getcwd()}/again"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=4)
    anew = ranks_of("default", model) != everybody
    return [(r.rank, r.size) for r in [*seen, alone]], stranger, gone, anew


def test_ranks_are_those_of_the_group_of_the_wrapper_or_of_all(tmp_path, monkeypatch):
    results = run(in_folder, 4, tmp_path, str(tmp_path), who)
    for rank, (seen, stranger, gone, anew) in enumerate(results):
        pair = (rank % 2, 2)
        assert seen == [(rank, 4), pair, pair, (0, 1), (0, 1)]
        assert "ValueError: process_group must be a ProcessGroup" in stranger
        assert gone is not None  # never silently alone
        assert anew  # another meeting, another group


def in_folder(rank, folder, function):
    os.chdir(folder)
    return function(rank)


class Mixed(nn.Module):
    """Parameters and buffers of all sorts."""

    def __init__(self, rank):
        super().__init__()
        self.matrix = nn.Parameter(torch.randn(4, 3).T)  # not contiguous
        self.bfloat = nn.Parameter(torch.randn(3).bfloat16())
        self.scalar = nn.Parameter(torch.randn(()))
        self.empty = nn.Parameter(torch.randn(0, 2))
        self.frozen = nn.Parameter(torch.randn(2), requires_grad=False)
        buffers = {
            "count": torch.tensor(rank), "mask": torch.tensor([rank == 0, rank == 1]),
            "phases": torch.randn(2, dtype=torch.complex64),
            "short": torch.tensor([rank], dtype=torch.int16),
            "eighth": torch.randn(2, dtype=torch.float32).to(torch.float8_e4m3fn),
        }  # fmt: skip
        for name, buffer in buffers.items():
            self.register_buffer(name, buffer)


def copies(rank):
    model = Mixed(rank)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    copy_from_first(model, ranks_of("default", model))
    return before, model.state_dict()


def test_all_ranks_get_the_weights_and_buffers_of_the_first(tmp_path):
    (first, kept), (other, changed) = run(copies, 2, tmp_path)
    for name, value in first.items():
        assert changed[name].dtype == value.dtype
        same = [
            torch.equal(
                a.flatten().view(torch.uint8), value.flatten().view(torch.uint8)
            )
            for a in (kept[name], changed[name], other[name])
        ]
        assert same == [True, True, name == "empty"], name


def compares(rank, last):
    ranks = ranks_of("default", nn.Linear(1, 1))
    check_same("equal numbers", torch.tensor([3, 4]), ranks)
    values = torch.tensor([3, last if rank == 2 else 4])
    return message_of(check_same, "steps and draws", values, ranks)


def test_a_rank_that_differs_is_told_of_on_all_ranks(tmp_path):
    for message, _ in run(compares, 3, tmp_path, 5):
        assert message == (
            "RuntimeError: steps and draws must be the same on all ranks, got [3, 4] "
            "on rank 0 and [3, 5] on rank 2."
        )


# --- fingerprints -----------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        lambda x: [x + 1e-15],
        lambda x: [x, 0],
        lambda x: [x.float()],
        lambda x: [x[:3], x[3:].clone()],
        lambda x: [-x],
    ],
)
def test_a_fingerprint_tells_values_apart(values):
    x = torch.randn(6)
    assert fingerprint([x]) == fingerprint([x.clone()])
    assert fingerprint(values(x)) != fingerprint([x])
    assert 0 <= fingerprint(values(x)) < 2**63


def test_a_fingerprint_takes_all_types_and_layouts():
    values = [*Mixed(0).parameters(), *Mixed(0).buffers(), 3, 0.5, torch.zeros(0)]
    assert fingerprint(values) == fingerprint([
        v.clone() if isinstance(v, torch.Tensor) else v for v in values
    ])
    matrix = torch.randn(3, 4)
    assert fingerprint([matrix.T.contiguous().T]) == fingerprint([matrix])


# --- DistributedDataParallel around the model -------------------------------------


def wraps(rank, fails, given, static):
    model, message = nn.Linear(3, 2), None
    wrapper = DistributedDataParallel(model, static_graph=static)
    try:
        with wrapper_silenced(wrapper if given else model):
            wrapper(torch.randn(4, 3)).sum().backward()
            within, own = wrapper.require_backward_grad_sync, model.weight.grad.clone()
            if fails:
                raise ValueError("stop")
    except ValueError as error:
        message = str(error)
    hooks = len(model._forward_pre_hooks) + len(wrapper._forward_pre_hooks)
    after = wrapper.require_backward_grad_sync
    model.zero_grad()
    wrapper(torch.randn(4, 3)).sum().backward()
    return within, own, message, hooks, after, model.weight.grad


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize(("given", "static"), [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_a_wrapper_is_silent_within_and_not_afterwards(fails, given, static, tmp_path):
    results = run(wraps, 2, tmp_path, fails, given, bool(static))
    for within, _, message, hooks, after, _ in results:
        assert (within, hooks, after) == (False, 0, True)
        assert message == ("stop" if fails else None)
    assert not torch.equal(results[0][1], results[1][1])  # gradients of its own
    assert torch.equal(results[0][5], results[1][5])


def test_a_model_without_a_wrapper_keeps_no_hook():
    model = nn.Linear(3, 2)
    with wrapper_silenced(model):
        model(torch.randn(1, 3))
        assert len(model._forward_pre_hooks) == 1
    assert not model._forward_pre_hooks


# --- a rank that is gone ----------------------------------------------------------


def dies(rank, what):
    ranks = ranks_of("default", nn.Linear(1, 1))
    check_same("a start", torch.zeros(1), ranks)
    if rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    model = nn.Linear(500, 500)
    calls = {
        "copy": lambda: [copy_from_first(model, ranks) for _ in range(50)],
        "compare": lambda: check_same("numbers", torch.zeros(3), ranks),
    }
    found = message_of(calls[what])
    dist.destroy_process_group()
    return found


@pytest.mark.parametrize("what", ["copy", "compare"])
def test_a_rank_that_is_gone_is_an_error_on_the_others_within_seconds(what, tmp_path):
    first, gone, third = run(dies, 3, tmp_path, what, may_die=(1,))
    assert gone is None
    for message, seconds in (first, third):
        assert f"RuntimeError: {GONE}" in message
        assert seconds < 20

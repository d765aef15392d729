"""What is sent within the backward pass, and what changes after it was sent."""

import pytest
import torch
import torch.distributed as dist
from torch import nn

from tests.vogn_app.distributed.processes import run
from tests.vogn_app.distributed.values import (
    MEAN,
    SHAPES,
    Rank,
    assert_average,
    counted_sums,
)
from vogn_app.distributed import Exchange, Statistics, ranks_of
from vogn_app.distributed.buckets import FIRST_BYTES

# --- what changes after it was sent -----------------------------------------------


def second_backward(one):
    with one.sending():
        one.backward()
        one.backward()


def second_call(one):
    """A parameter that the first backward left out; squares may be of both."""
    with one.sending(num_examples=iter([2, None, None, None, None, None]).__next__):
        one.which = [3]
        one.backward()
        one.which = range(len(SHAPES))
        one.backward()


def changed_gradient(one):
    with one.sending():
        one.backward()
        one.parameters[1].grad.mul_(3)


def clipped(one):
    with one.sending():
        one.backward()
        nn.utils.clip_grad_norm_(one.parameters, 0.1)


def removed_gradient(one):
    with one.sending():
        one.backward()
        one.parameters[2].grad = None


def changed_squares(one):
    with one.sending():
        one.backward()
        one.squares[0].add_(1)


def other_squares(one):
    with one.sending():
        one.backward()
        one.squares[0] = one.squares[0] + 1


def other_count(one):
    with one.sending(num_examples=lambda: one.num_examples + 1):
        one.backward()


# Rank 0 does not do it; whether all have to send again.
CASES = {
    second_backward: True, second_call: True, changed_gradient: True, clipped: True,
    removed_gradient: True, changed_squares: True, other_squares: True,
    other_count: True,
}  # fmt: skip


def after_changes(rank, act):
    one, results = Rank(rank), []
    sums = counted_sums()
    for _ in range(2):
        one.draw(None)
        sums.clear()
        if rank:
            act(one)
        else:
            with one.sending():
                one.backward()
        results.append((*one.average(), len(sums)))
    with one.sending():
        one.draw(None)
        sums.clear()
        one.backward()
    return results, (*one.average(), len(sums))


@pytest.mark.parametrize("act", CASES, ids=lambda act: act.__name__)
def test_what_changed_after_it_was_sent_is_sent_again_by_all(act, tmp_path):
    results = run(after_changes, 2, tmp_path, act)
    assert_average([[r[:2] for r in rounds] for rounds, _ in results])
    assert_average([[last[:2]] for _, last in results])
    assert [r[2] for rounds, _ in results for r in rounds] == [2] * 4
    assert [last[2] for _, last in results] == [1, 1]


# --- within the backward pass -----------------------------------------------------


def overlaps(rank):
    """What happens in which order, in a backward pass through four large layers."""
    side = int((FIRST_BYTES / 8) ** 0.5) + 1  # a weight above the first limit
    model = nn.Sequential(*[nn.Linear(side, side) for _ in range(4)])
    parameters, events = list(model.parameters()), []
    made = Exchange(parameters, ranks_of("default", model), squares=False)
    plain = dist.all_reduce

    def watched(tensor, **options):
        events.append("sum")
        return plain(tensor, **options)

    dist.all_reduce = watched
    model[0].weight.register_hook(lambda _: events.append("first layer"))
    with made.overlapping(lambda _: None, lambda: 2, MEAN):
        model(torch.randn(2, side)).sum().backward()
        events.append("backward over")
    made.average(Statistics([p.grad for p in parameters], [None] * 8, 2), MEAN)
    return events


def test_sums_begin_long_before_the_backward_pass_is_over(tmp_path):
    for events in run(overlaps, 2, tmp_path):
        assert events.index("sum") < events.index("first layer")
        assert events.index("first layer") < events.index("backward over")


def learns(rank):
    """Backward passes that finish parameters in an order of their own."""
    one, orders = Rank(rank), []
    # Numbers of squares that come late, fewer in the second block.
    for late in ({0, 2, 3}, {0}, {0}):
        one.draw([2, 0, 3])  # number 1 is not used
        ready = [None if n in late else s for n, s in enumerate(one.squares)]
        with one.sending(ready.__getitem__):
            for n in (2, 3, 0) if rank == 0 else (0, 3, 2):
                one.which = [n]
                one.backward()
        own, mean = one.average()
        orders.append(["gs"[squares] + str(n) for n, squares in one.exchange._entries])
    return orders, own, mean


def test_buckets_take_the_order_in_which_rank_0_could_send(tmp_path):
    results = run(learns, 2, tmp_path)
    assert_average([[(own, mean)] for _, own, mean in results])
    first = ["g2", "g3", "g0", "s3", "s2", "g1", "s1", "s0"]  # others from the last on
    second = ["g2", "s2", "g3", "s3", "g0", "g1", "s1", "s0"]
    for orders, _, _ in results:
        assert orders == [first, second, second]

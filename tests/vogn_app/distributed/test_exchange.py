"""Averages over ranks equal the formula, whatever some ranks lack."""

import pytest
import torch
import torch.distributed as dist

from tests.vogn_app.distributed.processes import GONE, message_of, run
from tests.vogn_app.distributed.values import (
    MEAN,
    NUM_EXAMPLES,
    SHAPES,
    SUM,
    Rank,
    assert_average,
    counted_sums,
)
from vogn_app.distributed import Statistics, Weighing

PLAIN = Weighing(mean=True, power=0)


def plain(rank, squares, weighing, dtype):
    one, results = Rank(rank, squares=squares, weighing=weighing, dtype=dtype), []
    for _ in range(4):
        one.draw(None)
        with one.sending():
            one.backward()
        own, mean = one.average()
        assert all(g.dtype == dtype for g in mean.gradients)
        results.append((own, mean))
    return results


@pytest.mark.parametrize("squares", [True, False])
@pytest.mark.parametrize("weighing", [MEAN, SUM, PLAIN], ids=["mean", "sum", "plain"])
def test_averages_are_those_over_all_examples(squares, weighing, tmp_path):
    results = run(plain, 3, tmp_path, squares, weighing, torch.float64)
    assert_average(results, weighing)
    assert all(mean.squares[0] is None for _, mean in results[0]) == (not squares)


def test_factors_make_sums_over_examples():
    assert MEAN.factors(5) == (5, 25)
    assert SUM.factors(5) == (1, 1)
    assert PLAIN.factors(5) == (5, 1)


def test_half_precisions_are_averaged_in_single(tmp_path):
    results = run(plain, 2, tmp_path, True, MEAN, torch.bfloat16)
    assert_average(results, relative=2**-8)  # rounded once, to 8 bits
    squares = [(own.squares, mean.squares) for own, mean in results[0]]
    assert all(s.dtype == torch.float32 for _, mean in squares for s in mean)


# --- what is missing --------------------------------------------------------------


def late(rank):
    """Squares of some parameters, others on each rank, come after backward."""
    one, results = Rank(rank), []
    sums = counted_sums()
    for _ in range(3):
        one.draw(None)
        sums.clear()
        squares = list(one.squares)
        squares[rank] = None
        with one.sending(squares_of=squares.__getitem__):
            one.backward()
        results.append((*one.average(), len(sums)))
    return results


def test_squares_that_come_late_are_sent_at_the_end(tmp_path):
    results = run(late, 2, tmp_path)
    assert_average([[r[:2] for r in rounds] for rounds in results])
    assert [r[2] for rounds in results for r in rounds] == [1] * 6


def missing(rank, which):
    one, results = Rank(rank), []
    for _ in range(3):
        one.draw(which[rank])
        with one.sending():
            one.backward()
        results.append(one.average())
    return results


@pytest.mark.parametrize(
    "which",
    [([0, 1, 2, 3], [0, 3]), ([1, 2], [0, 2, 3]), ([0, 1, 2], [0, 1])],
    ids=["on one rank", "on both", "on all"],
)
def test_parameters_without_a_gradient_count_as_zero_or_stay_without(which, tmp_path):
    results = run(missing, 2, tmp_path, which)
    assert_average(results)
    everywhere = [n for n in range(4) if n not in which[0] and n not in which[1]]
    for _, mean in results[1]:
        absent = [n for n in range(4) if mean.gradients[n] is None]
        assert absent == everywhere


def empty(rank, kind, idle):
    """Ranks in `idle` have no examples: no backward, or one of a mean over nothing."""
    one, results = Rank(rank), []
    for _ in range(3):
        none = rank in idle
        one.draw([] if none and kind == "no backward" else None)
        one.num_examples = 0 if none else NUM_EXAMPLES[rank]
        if none and kind == "no number":
            one.factors = [torch.full_like(f, torch.nan) for f in one.factors]
        with one.sending(num_examples=lambda none=none: 0 if none else 3):
            one.backward()
        own, mean = one.average()
        nothing = [None] * len(SHAPES)
        results.append((Statistics(nothing, nothing, 0) if none else own, mean))
    return results


@pytest.mark.parametrize("kind", ["no backward", "no number"])
@pytest.mark.parametrize("idle", [(1,), (0,), (0, 1)], ids=str)
def test_ranks_without_examples_change_nothing(kind, idle, tmp_path):
    results = run(empty, 2, tmp_path, kind, idle)
    assert_average(results)
    if idle == (0, 1):
        assert all(g is None for g in results[0][0][1].gradients)


def graph(rank):
    """Without squares nothing keeps a user from second derivatives."""
    one = Rank(rank, squares=False)
    with one.sending():
        loss = sum((p**3).sum() for p in one.parameters)
        loss.backward(create_graph=True)
    own, mean = one.average()
    for parameter in one.parameters:
        parameter.grad = None  # it refers to its parameter
    return [(Statistics([g.detach() for g in own.gradients], own.squares, 3), mean)]


@pytest.mark.filterwarnings("ignore:Using backward")
def test_gradients_with_a_graph_are_sent_without_it(tmp_path):
    results = run(graph, 2, tmp_path)
    for _, mean in (each for rounds in results for each in rounds):
        assert all(not g.requires_grad for g in mean.gradients)
        assert all((g == 3.0 * (3 + 5) / 8).all() for g in mean.gradients)


# --- errors -----------------------------------------------------------------------


def fails(rank):
    one = Rank(rank)

    def block(stop):
        with one.sending():
            one.backward()
            if stop:
                raise ValueError("stop")
        return one.average()

    messages = []
    for stop in (rank == 1, False):
        one.draw(None)
        messages.append(message_of(block, stop)[0])
        if rank == 0:
            break
    dist.destroy_process_group()
    return messages, [len(p._post_accumulate_grad_hooks) for p in one.parameters]


def test_a_block_that_failed_while_sending_cannot_be_followed_by_another(tmp_path):
    (other, _), ((first, second), hooks) = run(fails, 2, tmp_path)
    assert [f"RuntimeError: {GONE}" in message for message in other] == [True]
    assert (first, hooks) == ("ValueError: stop", [0] * len(SHAPES))
    assert second == (
        "RuntimeError: blocks must end together on all ranks, got one that an "
        "exception ended while its gradients were being sent: start all ranks again."
    )

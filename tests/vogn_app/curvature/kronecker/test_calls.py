"""Which calls of a model count, and for how many examples."""

import torch

from vogn_app.curvature.kronecker.calls import Calls, add_all
from vogn_app.curvature.kronecker.moments import Moment

KEY = ("layer", "inputs")


def called(calls, num, accumulates=True):
    """A call with `num` examples, and its output."""
    output = torch.randn(num, 2, requires_grad=True) * 2
    x = torch.randn(num, 3)
    return calls.note((x,), {}, output, lambda: accumulates), output


def test_a_call_counts_once_a_backward_pass_went_through_it():
    calls = Calls()
    call, output = called(calls, 5)
    assert (calls.num_examples, calls.lone, calls.any_used) == (0, 5, False)
    output.sum().backward()
    assert call.used
    assert (calls.num_examples, calls.any_used) == (5, True)


def test_a_pass_that_accumulates_nothing_does_not_count():
    calls = Calls()
    _, output = called(calls, 5, accumulates=False)
    output.sum().backward()
    assert calls.num_examples == 0


def test_calls_before_one_backward_pass_are_on_the_same_examples():
    calls = Calls()
    (_, first), (_, second) = called(calls, 5), called(calls, 5)
    (first.sum() + second.sum()).backward()
    assert calls.num_examples == 5
    assert calls.largest_group == 2
    _, third = called(calls, 3)
    third.sum().backward()
    assert calls.num_examples == 8
    assert calls.largest_group == 2


def test_calls_of_other_sizes_are_on_other_examples():
    calls = Calls()
    outputs = [called(calls, num)[1] for num in (5, 3, 5)]
    assert calls.lone is None
    assert [calls.present(rows) for rows in (5, 3, 1)] == [5, 3, 0]
    assert not calls.returned
    sum(output.sum() for output in outputs).backward()
    assert calls.num_examples == 8
    assert calls.returned
    called(calls, 2)
    assert not calls.returned
    assert [calls.present(rows) for rows in (2, 1)] == [2, 2]


def test_a_call_that_was_for_nothing_is_left_out_of_its_group():
    calls = Calls()
    called(calls, 7)
    _, output = called(calls, 5)
    output.sum().backward()
    assert calls.num_examples == 5
    assert calls.largest_group == 1


def test_an_output_without_a_graph_is_no_call():
    assert Calls().note((torch.randn(2),), {}, torch.randn(2), lambda: True) is None


def test_a_cleared_call_says_no_more():
    calls = Calls()
    call, output = called(calls, 5)
    calls.clear()
    output.sum().backward()
    assert not call.used
    assert (calls.num_examples, calls.lone, calls.largest_group) == (0, None, 0)
    assert calls.present(5) is None


def test_sums_of_calls_that_were_used_are_added():
    calls = Calls()
    for num, used in ((2, True), (3, False), (4, True)):
        call, output = called(calls, num)
        call.moments = {KEY: Moment("diagonal", torch.full((1, 2), 1.0 * num), num)}
        if used:
            output.sum().backward()
    total = calls.moments()[KEY]
    assert torch.equal(total.value, torch.full((1, 2), 6.0))
    assert total.count == 6


def test_sums_are_added_in_place():
    one = {KEY: Moment("diagonal", torch.ones(1, 2), 1)}
    other = ("layer", "outputs")
    add_all(one, {KEY: Moment("diagonal", torch.ones(1, 2), 2), other: one[KEY]})
    assert one[KEY].count == 3
    assert torch.equal(one[KEY].value, torch.full((1, 2), 2.0))
    assert one[other].count == 1

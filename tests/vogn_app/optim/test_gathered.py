"""Averages over the examples of blocks, and their loss scales."""

import pytest
import torch
from torch import nn

from vogn_app.optim.gathered import Block, Gathered, block_weights


def parameters(num=2):
    return [nn.Parameter(torch.zeros(3)) for _ in range(num)]


def full(value):
    return torch.full((3,), float(value))


def block(gradients, squares, num_examples):
    """A block of constant tensors; None stays None."""
    made = ([None if v is None else full(v) for v in each]
            for each in (gradients, squares))  # fmt: skip
    return Block(*made, num_examples)


def assert_values(tensors, expected):
    """Constant tensors of the given values; None stays None."""
    assert len(tensors) == len(expected)
    for tensor, value in zip(tensors, expected, strict=True):
        assert (tensor is None) == (value is None)
        if tensor is not None:
            torch.testing.assert_close(tensor, full(value), rtol=1e-14, atol=0)


# --- one block --------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_block_becomes_means_over_its_examples(reduction):
    rows, parameter = torch.randn(5, 3), torch.zeros(3, requires_grad=True)
    losses = rows @ parameter  # the gradient of example n is its row
    (losses.mean() if reduction == "mean" else losses.sum()).backward()
    share = 1 / 5 if reduction == "mean" else 1.0
    one = Block([parameter.grad], [(share * rows).square().sum(0)], 5)
    one.per_example(reduction)
    torch.testing.assert_close(one.gradients[0], rows.mean(0), rtol=1e-14, atol=1e-15)
    torch.testing.assert_close(
        one.squares[0], rows.square().mean(0), rtol=1e-14, atol=0
    )


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_parameter_without_a_gradient_stays_without(reduction):
    one = block([None, 6], [None, 6], 2)
    one.per_example(reduction)
    assert (one.gradients[0], one.squares[0]) == (None, None)


def scaler(scale, **options):
    made = torch.amp.GradScaler("cpu", init_scale=scale, **options)
    made.scale(torch.zeros(()))  # it has no scale before its first loss
    return made


SCALES = {
    "number": lambda: 8.0,
    "tensor": lambda: torch.tensor(8.0),
    "scaler": lambda: scaler(8.0),
}


@pytest.mark.parametrize("kind", SCALES)
def test_squares_carry_the_loss_scale_twice_and_gradients_keep_it(kind):
    one = block([16, None], [128, None], 4)
    one.unscale_squares(SCALES[kind]())
    assert_values(one.squares, [2, None])
    assert_values(one.gradients, [16, None])


def test_a_scaler_that_scaled_no_loss_counts_as_one():
    one = block([1], [3], 4)
    one.unscale_squares(torch.amp.GradScaler("cpu", init_scale=8.0))
    assert_values(one.squares, [3])


def test_a_disabled_scaler_counts_as_one():
    one = block([1], [3], 4)
    one.unscale_squares(scaler(8.0, enabled=False))
    assert_values(one.squares, [3])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_scale_whose_square_overflows_is_undone(dtype):
    scale = 2.0**66  # its square, 2^132, is infinite
    one = Block([None], [torch.full((3,), scale, dtype=dtype)], 1)
    one.unscale_squares(scale)
    expected = torch.full((3,), 2.0**-66, dtype=dtype)
    assert torch.equal(one.squares[0], expected)


# --- several blocks ---------------------------------------------------------------


def gather(params, *blocks, **options):
    """What the blocks gather, each after the gradients that the last one left."""
    gathered = Gathered()
    for each in blocks:
        before = [p.grad for p in params]
        gathered.add(params, before, each, **options)
    return gathered


def test_the_first_block_is_taken_as_it_is():
    params = parameters()
    gathered = gather(params, block([1, None], [2, None], 3))
    assert gathered.num_examples == 3
    assert_values([p.grad for p in params], [1, None])
    assert set(gathered.squares) == {params[0]}
    assert_values([gathered.squares[params[0]]], [2])


def test_blocks_count_by_their_examples():
    params = parameters(1)
    gathered = gather(
        params, block([2], [6], 1), block([-1], [3], 2), block([5], [1], 5)
    )
    assert gathered.num_examples == 8
    assert_values([params[0].grad], [(2 - 2 + 25) / 8])
    assert_values([gathered.squares[params[0]]], [(6 + 6 + 5) / 8])


@pytest.mark.parametrize("first", [True, False])
def test_a_parameter_missing_in_a_block_counts_as_zero_there(first):
    params = parameters()
    blocks = [block([4, 4], [8, 8], 3), block([8, None], [4, None], 1)]
    gathered = gather(params, *(blocks if first else blocks[::-1]))
    assert_values([p.grad for p in params], [5, 3])
    assert_values([gathered.squares[p] for p in params], [7, 6])


def test_gradients_left_over_from_before_the_first_block_are_ignored():
    params = parameters()
    for p in params:
        p.grad = torch.full_like(p, torch.inf)
    gather(params, block([1, None], [1, None], 2))
    assert_values([p.grad for p in params], [1, None])


def test_a_gradient_without_squares_is_averaged_all_the_same():
    params = parameters(1)
    gathered = gather(params, block([1], [None], 1), block([3], [None], 1))
    assert_values([params[0].grad], [2])
    assert gathered.squares == {}


@pytest.mark.parametrize("first", [True, False])
def test_blocks_told_and_not_told_of_the_scale_do_not_mix_and_nothing_changes(first):
    params = parameters(1)
    gathered = gather(params, block([1], [2], 3), told=first)
    with pytest.raises(RuntimeError) as caught:
        gathered.add(params, [params[0].grad], block([5], [6], 3), told=not first)
    assert str(caught.value) == (
        "loss_scale must be given to all blocks before a step or to none, got some "
        "with and some without."
    )
    assert (gathered.num_examples, gathered.told) == (3, first)
    assert_values([params[0].grad, gathered.squares[params[0]]], [1, 2])


def test_the_scale_is_needed_while_squares_carry_it():
    params = parameters(1)
    assert not Gathered().needs_loss_scale()
    assert gather(params, block([1], [1], 2)).needs_loss_scale()
    assert not gather(params, block([1], [1], 2), told=True).needs_loss_scale()
    assert not gather(params, block([1], [None], 2)).needs_loss_scale()


@pytest.mark.parametrize(("told", "square"), [(False, 3), (True, 48)])
def test_the_scale_is_undone_once_in_gradients_and_twice_in_squares_not_told(
    told, square
):
    params = parameters()
    gathered = gather(params, block([8, None], [48, None], 2), told=told)
    gathered.unscale(params, torch.tensor(4.0))
    assert_values([p.grad for p in params], [2, None])
    assert_values([gathered.squares[params[0]]], [square])


# --- products with the gradient ---------------------------------------------------


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("together", [False, True])
def test_products_with_the_gradient_are_averaged_as_it_is(together, reduction):
    params = parameters(1)
    blocks = [block([4], [8], 3), block([6], [12], 1)]  # twice the gradient
    for one in blocks:
        one.power = 1
        one.per_example(reduction)
        one.unscale_squares(2.0)  # which the gradient keeps
    gathered = gather(params, *blocks, together=together, told=True)
    assert_values([gathered.squares[params[0]]], [params[0].grad[0].item()])


def test_the_scale_is_undone_once_in_products():
    params = parameters(1)
    one = block([8], [48], 2)
    one.power = 1
    gathered = gather(params, one)
    assert gathered.needs_loss_scale()
    gathered.unscale(params, torch.tensor(4.0))
    assert_values([params[0].grad, gathered.squares[params[0]]], [2, 12])


# --- losses that are parts of one mean --------------------------------------------

SIZES = [[6], [2, 2, 2], [3, 1, 2], [1, 4, 1]]
CONVENTIONS = {
    "divided by all examples": lambda size, sizes: 1 / sum(sizes),
    "means divided by accumulation_steps": lambda size, sizes: 1 / (size * len(sizes)),
}


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_parts_of_one_mean_equal_a_loop_over_examples(convention, sizes):
    rows, values = torch.randn(6, 3), torch.randn(3)
    # Each example's own loss with the weight that it has in the total.
    shares = [
        CONVENTIONS[convention](size, sizes) for size in sizes for _ in range(size)
    ]
    each = [w * (row @ values).cos() * row for w, row in zip(shares, rows, strict=True)]
    blocks = []
    for size, part, weight in zip(
        sizes, rows.split(sizes), torch.tensor(shares).split(sizes), strict=True
    ):
        parameter = nn.Parameter(values.clone())
        ((part @ parameter).sin() * weight).sum().backward()
        contributions = weight[:, None] * (part @ values).cos()[:, None] * part
        one = Block([parameter.grad], [contributions.square().sum(0)], size)
        one.per_example("mean")
        blocks.append(one)
    params = parameters(1)
    gathered = gather(params, *blocks, together=True)
    assert gathered.num_examples == 6
    torch.testing.assert_close(params[0].grad, sum(each), rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(
        gathered.squares[params[0]], 6 * sum(g.square() for g in each),
        rtol=1e-13, atol=1e-15,
    )  # fmt: skip


@pytest.mark.parametrize("first", [True, False])
def test_a_parameter_missing_in_a_part_adds_nothing_there(first):
    params = parameters()
    # Squares times examples, as `per_example` leaves them: sums are 2 and 5, or 2.
    blocks = [block([4, 4], [6, 6], 3), block([8, None], [5, None], 1)]
    gathered = gather(params, *(blocks if first else blocks[::-1]), together=True)
    assert_values([p.grad for p in params], [12, 4])
    assert_values([gathered.squares[p] for p in params], [4 * 7, 4 * 2])


def test_squares_of_own_losses_are_averaged_also_where_gradients_add_up():
    params = parameters(1)
    blocks = [block([4], [6], 3), block([8], [2], 1)]
    for one in blocks:
        one.power = 0
    gathered = gather(params, *blocks, together=True)
    assert_values([params[0].grad, gathered.squares[params[0]]], [12, 5])


def test_weights_of_blocks_that_are_means_of_their_own_are_their_shares():
    for power in (0, 1, 2):
        assert block_weights(0, 5, together=False, power=power) == (0, 1)
        assert block_weights(6, 2, together=False, power=power) == (0.75, 0.25)


def test_weights_of_blocks_that_are_parts_of_one_mean():
    for power in (0, 1, 2):
        assert block_weights(0, 5, together=True, power=power) == (1, 1)
    assert block_weights(6, 2, together=True) == (1, 1)
    assert block_weights(6, 2, together=True, power=0) == (0.75, 0.25)
    assert block_weights(6, 2, together=True, power=2) == (8 / 6, 4)


@pytest.mark.parametrize("first", [True, False])
def test_parts_and_means_do_not_mix_and_nothing_changes(first):
    params = parameters(1)
    gathered = gather(params, block([1], [2], 3), together=first)
    with pytest.raises(RuntimeError) as caught:
        gathered.add(params, [params[0].grad], block([5], [6], 3), together=not first)
    assert str(caught.value) == (
        "blocks before a step must all be automatic or all be explicit, got both."
    )
    assert (gathered.num_examples, gathered.together) == (3, first)
    assert_values([params[0].grad, gathered.squares[params[0]]], [1, 2])

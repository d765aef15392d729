"""Draws of the weights: their distribution, and that they leave no trace.

Every test runs with the native kernels and without them.
"""

import copy
import math

import pytest
import torch
from torch import nn

from vogn_app.optim.noise import NoiseSource
from vogn_app.optim.sampling import deviations, displace, noise_products, perturb

pytestmark = pytest.mark.usefixtures("kernels_and_none")

LINE = (30.0, 2.0)  # slope and offset of the precision


def drawn_group(*shapes, dtype=torch.float64, line=LINE):
    """Parameters and curvatures of one group."""
    parameters = [nn.Parameter(torch.randn(shape).to(dtype)) for shape in shapes]
    curvatures = [(torch.rand_like(p) + 0.05).detach() for p in parameters]
    return parameters, curvatures, line


def mixed(one, other):
    """The parameters of two groups in one."""
    return one[0] + other[0], one[1] + other[1], LINE


def values(groups):
    return [p.detach().clone() for parameters, *_ in groups for p in parameters]


def same(groups, expected):
    return [
        torch.equal(got, truth)
        for got, truth in zip(values(groups), expected, strict=True)
    ]


# --- back to the mean -------------------------------------------------------------

GROUPS = {
    "float32": lambda: [drawn_group((3, 4), (4,), dtype=torch.float32)],
    "float64": lambda: [drawn_group((3, 4), (4,))],
    "bfloat16": lambda: [drawn_group((3, 4), (4,), dtype=torch.bfloat16)],
    "two groups": lambda: [
        drawn_group((3, 4), line=(2.0, 0.5)),
        drawn_group((5,), (2, 2), dtype=torch.float32),
    ],
    "two types in a group": lambda: [
        mixed(drawn_group((3,)), drawn_group((2,), dtype=torch.float32))
    ],
    "a number": lambda: [drawn_group(())],
    "more than a block of the kernels": lambda: [drawn_group((17_000,), (3,))],
}  # fmt: skip


@pytest.mark.parametrize("kind", GROUPS)
def test_every_weight_moves_and_the_mean_is_back_bit_for_bit(kind):
    groups = GROUPS[kind]()
    mean = values(groups)
    restore = perturb(groups, NoiseSource(0))
    assert not any(same(groups, mean))
    restore()
    assert all(same(groups, mean))


@pytest.mark.parametrize("value", [1e-320, -0.0, 1e300, math.inf])
def test_means_that_noise_would_swallow_or_change_are_back(value):
    """Subtracting the noise again would not do."""
    parameters, curvatures, line = drawn_group((4,))
    nn.init.constant_(parameters[0], value)
    mean = parameters[0].detach().clone()
    perturb([(parameters, curvatures, line)], NoiseSource(0))()
    assert torch.equal(parameters[0], mean)
    assert torch.equal(parameters[0].signbit(), mean.signbit())


def test_what_the_caller_changes_in_place_is_undone_too():
    groups = GROUPS["two groups"]()
    mean = values(groups)
    restore = perturb(groups, NoiseSource(0))
    with torch.no_grad():
        for parameters, *_ in groups:
            for p in parameters:
                p.mul_(2).fill_(7)
    restore()
    assert all(same(groups, mean))


@pytest.mark.parametrize("layout", ["channels last", "transposed"])
def test_weights_in_another_order_of_memory_are_back_and_drawn_by_their_own_curvature(
    layout,
):
    """Curvatures of 1e30 but in one place: only there can the weight move."""
    if layout == "transposed":
        weight = torch.randn(3, 2).T
    else:
        weight = torch.randn(2, 3, 2, 2).to(memory_format=torch.channels_last)
    parameter = nn.Parameter(weight)
    curvature = torch.full_like(parameter, 1e30).detach()
    place = (1, 2) if layout == "transposed" else (1, 2, 1, 0)
    curvature[place] = 1.0
    mean = parameter.detach().clone()
    restore = perturb([([parameter], [curvature], (1.0, 0.0))], NoiseSource(0))
    moved = (parameter.detach() - mean).abs() > 1e-9
    assert moved.nonzero().tolist() == [list(place)]
    restore()
    assert torch.equal(parameter, mean)
    assert parameter.stride() == mean.stride()


def test_no_groups_and_empty_tensors_do_no_harm():
    perturb([], NoiseSource(0))()
    groups = [drawn_group((0, 3), (2,))]
    mean = values(groups)
    perturb(groups, NoiseSource(0))()
    assert all(same(groups, mean))


def drawn_and_back(parameter, curvature, buffers):
    """Whether the mean is back after a draw."""
    mean = parameter.detach().clone()
    restore = perturb([([parameter], [curvature], LINE)], NoiseSource(0), buffers)
    assert not torch.equal(parameter, mean)
    restore()
    return torch.equal(parameter, mean)


def test_memory_for_the_means_is_used_again():
    (parameters, curvatures, _), buffers = drawn_group((3, 4)), {}
    assert drawn_and_back(parameters[0], curvatures[0], buffers)
    place = buffers[parameters[0]].data_ptr()
    nn.init.normal_(parameters[0])
    assert drawn_and_back(parameters[0], curvatures[0], buffers)
    assert [kept.data_ptr() for kept in buffers.values()] == [place]


STALE = {
    "another type": lambda p: torch.empty_like(p, dtype=torch.float32),
    "another shape": lambda p: torch.empty(5),
    "another layout": lambda p: torch.empty_like(
        p, memory_format=torch.channels_last
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "kind",
    ["another type", "another shape", "another layout"],
)
def test_memory_that_does_not_fit_any_more_is_replaced(kind):
    (parameter,), (curvature,), _ = drawn_group((2, 3, 2, 2))
    buffers = {parameter: STALE[kind](parameter)}
    assert drawn_and_back(parameter, curvature, buffers)
    assert buffers[parameter].dtype == parameter.dtype
    assert buffers[parameter].stride() == parameter.stride()


def test_memory_from_inference_mode_can_be_used_outside():
    (parameter,), (curvature,), _ = drawn_group((3, 4))
    buffers = {}
    with torch.inference_mode():
        drawn_and_back(parameter, curvature, buffers)
    assert not buffers[parameter].is_inference()
    assert drawn_and_back(parameter, curvature, buffers)


def test_curvatures_are_left_alone():
    groups = GROUPS["two groups"]()
    before = copy.deepcopy([curvatures for _, curvatures, _ in groups])
    perturb(groups, NoiseSource(0))
    for (_, curvatures, _), old in zip(groups, before, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(curvatures, old, strict=True))


def test_a_draw_that_fails_half_way_leaves_the_mean():
    class OutOfMemory(NoiseSource):
        draws = 0

        def fail_at_second(self):
            self.draws += 1
            if self.draws == 2:
                raise MemoryError

        def normals(self, tensors):
            self.fail_at_second()
            return super().normals(tensors)

        def key(self):
            self.fail_at_second()
            return super().key()

    groups = GROUPS["two groups"]()
    mean = values(groups)
    with pytest.raises(MemoryError):
        perturb(groups, OutOfMemory(0))
    assert all(same(groups, mean))


# --- the distribution -------------------------------------------------------------


def whitened(groups, source):
    """Noise of one draw in units of the posterior's deviation."""
    mean = values(groups)
    restore = perturb(groups, source)
    drawn = values(groups)
    restore()
    scales = [
        (line[0] * s + line[1]).sqrt()
        for _, curvatures, line in groups
        for s in curvatures
    ]
    parts = zip(drawn, mean, scales, strict=True)
    return torch.cat([((w - mu) * scale).double().flatten() for w, mu, scale in parts])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noise_has_the_deviation_of_the_posterior(dtype):
    """Whitened noise is standard normal, n = 80,200.

    Its sum of squares is chi-square with n degrees of freedom, of mean n and deviation
    sqrt(2 n); its mean has deviation 1 / sqrt(n), its mean fourth power, of expectation
    3, sqrt(96 / n). Each passes 5 deviations by chance once in about a million seeds.
    """
    groups = [
        drawn_group((200, 200), (100,), dtype=dtype),
        drawn_group((200, 200), (100,), dtype=dtype, line=(0.5, 0.0)),
    ]
    for parameters, *_ in groups:  # so that float32 keeps the digits of the noise
        for p in parameters:
            nn.init.uniform_(p, -0.1, 0.1)
    z = whitened(groups, NoiseSource(0))
    n = len(z)
    assert n == 80_200
    assert abs(z.square().sum() - n) < 5 * math.sqrt(2 * n)
    assert abs(z.mean()) < 5 / math.sqrt(n)
    assert abs(z.pow(4).mean() - 3) < 5 * math.sqrt(96 / n)


def test_noise_is_drawn_afresh_for_every_tensor_group_and_draw():
    """Correlations of independent draws of n = 20,000 have deviation 1 / sqrt(n)."""
    n, source = 20_000, NoiseSource(0)
    groups = [drawn_group((n,), (n,)), drawn_group((n,))]
    z = torch.cat([whitened(groups, source).view(3, n) for _ in range(2)])
    correlations = (z @ z.T / n).fill_diagonal_(0)
    assert correlations.abs().max() < 5.5 / math.sqrt(n)


def test_deviations_are_one_over_the_root_of_the_precision():
    curvatures = [torch.tensor([0.0, 2.0]), torch.tensor([[7.0]])]
    got = deviations(curvatures, (3.0, 4.0))
    expected = [torch.tensor([1 / 2, 10**-0.5]), torch.tensor([[1 / 5]])]
    for deviation, truth in zip(got, expected, strict=True):
        torch.testing.assert_close(deviation, truth, rtol=1e-15, atol=0)
    assert curvatures[0].tolist() == [0.0, 2.0]


# --- the source -------------------------------------------------------------------


def test_the_same_state_of_the_source_gives_the_same_draw():
    groups, source = GROUPS["two groups"](), NoiseSource(4)
    whitened(groups, source)
    state = source.state_dict()
    other = NoiseSource(9)
    other.load_state_dict(state)
    draws = []
    for each in (source, other):
        each.begin_training()
        first = whitened(groups, each)
        each.begin_prediction()
        draws.append((first, whitened(groups, each)))
    (expected, following), again = draws
    assert torch.equal(again[0], expected)
    assert torch.equal(again[1], following)
    assert not torch.equal(expected, following)


def test_torchs_generator_is_left_alone():
    groups, state = GROUPS["two groups"](), torch.get_rng_state()
    perturb(groups, NoiseSource(0))()
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("num_threads", [2, 3])
def test_a_draw_is_the_same_for_any_number_of_threads(num_threads):
    groups = [drawn_group((300_000,), (3,))]  # enough that threads pay
    alone = whitened(groups, NoiseSource(0))
    torch.set_num_threads(num_threads)
    assert torch.equal(whitened(groups, NoiseSource(0)), alone)


# --- autograd ---------------------------------------------------------------------


def graph_that_saved(weight):
    """A loss whose backward needs the weight as it is now."""
    x = torch.ones(1, 3, requires_grad=True)
    return (x @ weight).sum()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("when", ["drawn", "restored"])
def test_a_graph_from_before_the_draw_cannot_go_backward_any_more(when, dtype):
    torch.set_default_dtype(dtype)
    group = drawn_group((3, 2), dtype=dtype)
    loss = graph_that_saved(group[0][0])
    restore = perturb([group], NoiseSource(0))
    if when == "restored":
        restore()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_graph_of_drawn_weights_cannot_go_backward_after_them():
    group = drawn_group((3, 2))
    restore = perturb([group], NoiseSource(0))
    loss = graph_that_saved(group[0][0])
    restore()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_parameters_stay_the_leaves_they_were():
    group = drawn_group((3, 2), (2,))
    places = [p.data_ptr() for p in group[0]]
    restore = perturb([group], NoiseSource(0))
    assert all(p.is_leaf and p.requires_grad for p in group[0])
    restore()
    assert all(p.is_leaf and p.requires_grad for p in group[0])
    assert [p.data_ptr() for p in group[0]] == places


# --- displacements ----------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_parameters_are_displaced_and_back_bit_for_bit(dtype):
    (first, second), *_ = drawn_group((3, 4), (), dtype=dtype)
    wide = torch.promote_types(dtype, torch.float32)
    shifts = {p: torch.full_like(p, 0.3, dtype=wide) for p in (first, second)}
    mean = [p.detach().clone() for p in shifts]
    restore = displace(shifts)
    for p, value, shift in zip(shifts, mean, shifts.values(), strict=True):
        assert torch.equal(p, (value.to(wide) + shift).to(dtype))
        assert p.is_leaf
    restore()
    assert all(torch.equal(p, value) for p, value in zip(shifts, mean, strict=True))


def test_displacements_use_memory_again_and_none_need_be_there():
    (parameter,), *_ = drawn_group((3, 4))
    buffers, shift = {}, torch.ones(3, 4)
    displace({parameter: shift}, buffers)()
    place = buffers[parameter].data_ptr()
    displace({parameter: shift}, buffers)()
    assert buffers[parameter].data_ptr() == place
    displace({})()


def test_a_displacement_that_fails_leaves_the_mean():
    parameters, *_ = drawn_group((3, 4), (2,))
    mean = [p.detach().clone() for p in parameters]
    shifts = dict(zip(parameters, (torch.ones(3, 4), torch.ones(5)), strict=True))
    with pytest.raises(RuntimeError):
        displace(shifts)
    assert all(torch.equal(p, value) for p, value in zip(parameters, mean, strict=True))


# --- noise times gradient ---------------------------------------------------------


@pytest.mark.parametrize("kind", GROUPS)
def test_products_are_those_of_the_draw_while_it_is_there(kind):
    groups, means, memory = GROUPS[kind](), {}, {}
    before = values(groups)
    restore = perturb(groups, NoiseSource(3), means=means)
    every = [p for parameters, *_ in groups for p in parameters]
    for p, mean in zip(every, before, strict=True):
        assert torch.equal(means[p], mean)
        p.grad = torch.randn_like(p)
    products = noise_products(every, [means[p] for p in every], memory)
    for p, mean, product in zip(every, before, products, strict=True):
        assert product.dtype == torch.promote_types(p.dtype, torch.float32)
        wide = product.dtype
        expected = (p.detach().to(wide) - mean.to(wide)) * p.grad.to(wide)
        torch.testing.assert_close(product, expected)
        assert memory[p] is product
    restore()
    assert means == {}
    assert all(same(groups, before))


def test_there_may_be_no_products():
    assert noise_products([], [], {}) == []

"""Normals: the generator's numbers, their distribution and their independence."""

import math

import pytest
import torch

from tests.vogn_app.kernels import reference
from vogn_app.kernels.build import BLOCK
from vogn_app.kernels.updates import normals_

pytestmark = pytest.mark.usefixtures("native")

LANES, CHUNK = reference.LANES, reference.CHUNK

both_types = pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64], ids=["float32", "float64"]
)


def normals(*sizes, key=0, dtype=torch.float32):
    tensors = [torch.full((size,), math.nan, dtype=dtype) for size in sizes]
    normals_(tensors, key)
    return tensors


def drawn(num, key=0, dtype=torch.float32):
    """For statistics, which need double precision."""
    return normals(num, key=key, dtype=dtype)[0].double()


def correlation(x, y):
    """Of numbers with mean 0 and variance 1; deviates by 1 / sqrt(n)."""
    return float((x * y).mean()) * math.sqrt(len(x))


# The generator


def test_the_reference_gives_the_published_numbers():
    """Of xoshiro128++ from 1, 2, 3, 4, and of splitmix64 from 0."""
    stream = reference.xoshiro128plusplus([1, 2, 3, 4])
    published = [641, 1573767, 3222811527, 3517856514, 836907274, 4247214768]
    assert [next(stream) for _ in published] == published
    assert reference.splitmix64(0)[1] == 0xE220A8397B1DCDAF


@pytest.mark.parametrize(
    "count", [1, 2 * LANES, 2 * LANES + 1, CHUNK, CHUNK + 10, 3000]
)
@pytest.mark.parametrize(
    ("dtype", "error"), [(torch.float32, 1e-6), (torch.float64, 1e-13)]
)
def test_normals_are_those_of_the_reference(count, dtype, error):
    found = normals(5, count, key=123, dtype=dtype)[1].double()
    wanted = reference.normals(123, 1, 0, count, dtype is torch.float64)
    assert (found - torch.tensor(wanted)).abs().max() < error


def test_every_block_has_a_stream_of_its_own():
    found = normals(BLOCK + 100, key=7)[0].double()
    wanted = torch.tensor(reference.normals(7, 0, 1, 100, False))
    assert (found[BLOCK:] - wanted).abs().max() < 1e-6


@both_types
def test_a_key_gives_the_same_numbers_again_and_others_give_others(dtype):
    one, again, other = (normals(1000, key=key, dtype=dtype)[0] for key in (1, 1, 2))
    assert torch.equal(one, again)
    assert not (one == other).any()
    assert torch.equal(normals(9, key=-1)[0], normals(9, key=2**64 - 1)[0])


@both_types
def test_a_tensor_has_the_numbers_of_its_place_in_the_list(dtype):
    one = normals(10, 2000, key=3, dtype=dtype)
    other = normals(3 * BLOCK, 2000, key=3, dtype=dtype)
    assert torch.equal(one[1], other[1])
    assert not (one[0] == one[1][:10]).any()


@both_types
def test_the_number_of_threads_does_not_matter(dtype, many_parts):
    sizes = (5 * BLOCK + 3, 0, 17, 2 * BLOCK)
    expected = normals(*sizes, dtype=dtype)
    for num in (2, 3, 8):
        many_parts(num)
        for one, other in zip(normals(*sizes, dtype=dtype), expected, strict=True):
            assert torch.equal(one, other)


# The distribution. n = 2^22 numbers from 256 blocks; bounds are 5 standard deviations.

NUM = 2**22


@both_types
def test_moments(dtype):
    """The variances of z, z^2, z^3 and z^4 are 1, 2, 15 and 96."""
    z = drawn(NUM // 4, dtype=dtype)
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        deviation = math.sqrt(variance / len(z))
        assert abs(float((z**power).mean()) - mean) < 5 * deviation


@both_types
def test_the_distribution_function(dtype):
    """Kolmogorov and Smirnov: D sqrt(n) > 3 has probability 2 exp(-2 3^2) = 3e-8."""
    z = drawn(NUM // 4, dtype=dtype).sort().values
    steps = torch.arange(len(z) + 1) / len(z)
    wanted = torch.special.ndtr(z)
    distance = max((steps[1:] - wanted).max(), (wanted - steps[:-1]).max())
    assert distance * math.sqrt(len(z)) < 3


def test_equal_shares_of_the_distribution_are_hit_equally_often():
    """Chi-square of 1,024 cells: mean 1,023, variance 2,046."""
    counts = torch.histc(torch.special.ndtr(drawn(NUM)), 1024, 0, 1)
    expected = NUM / 1024
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    assert abs(chi_square - 1023) < 5 * math.sqrt(2046)


@pytest.mark.parametrize("limit", [3.0, 4.0, 4.5])
def test_tails_have_the_right_weight(limit):
    """Counts are binomial, their variance is about their mean."""
    z = drawn(NUM)
    for tail in (z, -z):
        expected = NUM * float(torch.special.ndtr(torch.tensor(-limit)))
        assert abs(int((tail > limit).sum()) - expected) < 5 * math.sqrt(expected)


def test_tails_reach_beyond_five_and_end_at_the_largest_radius():
    """P(|z| > 5) = 5.7e-7, so 2^24 numbers without one have probability 7e-5."""
    largest = float(
        torch.stack([drawn(NUM, key).abs().max() for key in range(4)]).max()
    )
    assert 5 < largest <= math.sqrt(-2 * math.log(2**-32)) + 1e-5


# Independence: of neighbours, lanes, halves of a chunk, chunks, blocks, tensors, keys.


def transforms(z):
    """z, |z| and z^2, each with mean 0 and variance 1."""
    absolute = (z.abs() - math.sqrt(2 / math.pi)) / math.sqrt(1 - 2 / math.pi)
    return z, absolute, (z * z - 1) / math.sqrt(2)


@pytest.mark.parametrize(
    "lag",
    [1, 2, 3, LANES - 1, LANES, 2 * LANES, CHUNK // 2, CHUNK, BLOCK, BLOCK + LANES],
)
def test_numbers_at_a_distance_are_independent(lag):
    for z in transforms(drawn(NUM)):
        assert abs(correlation(z[lag:], z[:-lag])) < 5


@pytest.mark.parametrize("difference", [1, 2, 2**31, 2**32, 2**63])
def test_keys_are_independent(difference):
    one, other = drawn(NUM // 4, key=5), drawn(NUM // 4, key=5 + difference)
    for x, y in zip(transforms(one), transforms(other), strict=True):
        assert abs(correlation(x, y)) < 5


def test_tensors_are_independent():
    one, other = (z.double() for z in normals(NUM // 4, NUM // 4))
    for x, y in zip(transforms(one), transforms(other), strict=True):
        assert abs(correlation(x, y)) < 5


def test_tensors_keys_and_blocks_do_not_stand_in_for_each_other():
    """64 streams from small numbers that a poor mixture would confuse."""
    firsts = [
        tensor[block * BLOCK].item()
        for key in range(4)
        for tensor in normals(*[4 * BLOCK] * 4, key=key)
        for block in range(4)
    ]
    assert len(set(firsts)) == 64


def test_all_lanes_have_the_same_distribution():
    """The means of 2 * LANES columns: their squares are a chi-square."""
    z = drawn(NUM).view(-1, 2 * LANES)
    chi_square = float((z.mean(0) ** 2).sum() * len(z))
    assert abs(chi_square - 2 * LANES) < 5 * math.sqrt(4 * LANES)

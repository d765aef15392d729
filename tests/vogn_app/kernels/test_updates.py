"""Noise and the fused step: the right numbers, whoever computes them."""

from itertools import chain

import pytest
import torch

from tests.vogn_app.kernels.reference import CHUNK
from vogn_app.kernels.build import BLOCK
from vogn_app.kernels.updates import normals_, sample_, vogn_update_
from vogn_app.optim import vogn

pytestmark = pytest.mark.usefixtures("native")

TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-12}
SHAPES = [(), (1,), (2, 3), (0, 4), (17,), (100, 3), (CHUNK + 1,), (2 * BLOCK + 5,)]

both_types = pytest.mark.parametrize("dtype", TOLERANCES, ids=["float32", "float64"])


def lists(dtype, num):
    return [[torch.rand(shape).to(dtype) for shape in SHAPES] for _ in range(num)]


@both_types
def test_samples_are_mean_plus_noise_over_the_root_of_the_precision(dtype):
    samples, means, curvatures = lists(dtype, 3)
    before = [mean.clone() for mean in means]
    kept = [curvature.clone() for curvature in curvatures]
    noise = [torch.empty_like(sample) for sample in samples]
    normals_(noise, 11)
    sample_(samples, means, curvatures, 3.0, 0.5, 11)
    for i in range(len(SHAPES)):
        assert torch.equal(means[i], before[i])
        assert torch.equal(curvatures[i], kept[i])
        wanted = before[i] + noise[i] * (3 * kept[i] + 0.5).rsqrt()
        torch.testing.assert_close(
            samples[i], wanted, rtol=TOLERANCES[dtype], atol=TOLERANCES[dtype]
        )


@both_types
def test_a_standard_normal_around_zero_is_the_noise_itself(dtype, many_parts):
    samples, means, curvatures = lists(dtype, 3)
    torch._foreach_zero_(means)
    noise = [torch.empty_like(sample) for sample in samples]
    normals_(noise, 4)
    many_parts(3)
    sample_(samples, means, curvatures, 0.0, 1.0, 4)
    for one, other in zip(samples, noise, strict=True):
        assert torch.equal(one, other)


def test_autograd_sees_that_tensors_changed():
    tensors = [torch.rand(3) for _ in range(6)]
    parameter, mean, gradient, square, momentum, curvature = tensors
    sample_([parameter], [mean], [curvature], 1.0, 1.0, 0)
    assert [tensor._version for tensor in tensors] == [1, 0, 0, 0, 0, 0]
    normals_([parameter], 0)
    state = [[tensor] for tensor in (gradient, square, momentum, curvature)]
    settings = {"momentum": 0.9, "decay": 0.9, "prior": 0.0, "damping": 0.0}
    vogn_update_([parameter], *state, [0.1], **settings)
    assert [tensor._version for tensor in tensors] == [3, 0, 0, 0, 1, 1]


def test_empty_lists_are_nothing_to_do():
    normals_([], 0)
    sample_([], [], [], 1.0, 1.0, 0)
    settings = {"momentum": 0.9, "decay": 0.9, "prior": 0.0, "damping": 0.0}
    vogn_update_([], [], [], [], [], [], **settings)


# The step


def settings_of(group):
    prior = group["temperature"] * group["prior_precision"] / group["num_data"]
    return {
        "momentum": group["momentum"],
        "decay": group["curvature_decay"],
        "prior": prior,
        "damping": group["damping"],
    }


@both_types
@pytest.mark.parametrize("prior_precision", [0.0, 10.0])
@pytest.mark.parametrize("damping", [0.0, 0.05])
@pytest.mark.parametrize("num_threads", [1, 3])
def test_the_step_is_that_of_torch(
    num_threads, damping, prior_precision, dtype, many_parts, monkeypatch
):
    monkeypatch.setattr(vogn.kernels, "supports", lambda *_: False)  # torch, not us
    many_parts(num_threads)
    group = {
        "lr": 0.2, "momentum": 0.9, "curvature_decay": 0.999, "damping": damping,
        "prior_precision": prior_precision, "temperature": 0.5, "num_data": 100,
        "augmentation_factor": 1.0, "weight_decay": 0.0,
    }  # fmt: skip
    means, momenta, curvatures = lists(dtype, 3)
    theirs = [
        [tensor.clone() for tensor in each] for each in (means, momenta, curvatures)
    ]
    for step in (1, 2, 3):
        gradients = [torch.randn(shape).to(dtype) for shape in SHAPES]
        squares = [gradient.square() for gradient in gradients]
        steps = [step + i for i in range(len(SHAPES))]
        rates = [group["lr"] / (1 - group["momentum"] ** number) for number in steps]
        kept = [gradient.clone() for gradient in gradients]
        vogn_update_(
            means, gradients, squares, momenta, curvatures, rates, **settings_of(group)
        )
        assert all(map(torch.equal, gradients, kept))
        vogn.vogn_update(
            theirs[0], gradients, squares, *theirs[1:], steps, group, 0.999
        )
    tolerance = 10 * torch.finfo(dtype).eps
    for ours, other in zip((means, momenta, curvatures), theirs, strict=True):
        for one, wanted in zip(ours, other, strict=True):
            torch.testing.assert_close(one, wanted, rtol=tolerance, atol=10 * tolerance)


@both_types
def test_without_squares_the_curvature_stays(dtype):
    """The same as with squares of any size that have no weight."""
    ours, theirs = (
        [
            [torch.full(shape, k + 1.0, dtype=dtype) for shape in SHAPES]
            for k in range(4)
        ]
        for _ in range(2)
    )
    settings = {"momentum": 0.9, "decay": 1.0, "prior": 0.2, "damping": 0.3}
    rates = [0.1] * len(SHAPES)
    vogn_update_(*ours[:2], None, *ours[2:], rates, **settings)
    vogn_update_(*theirs[:2], theirs[1], *theirs[2:], rates, **settings)
    for one, other in zip(chain(*ours), chain(*theirs), strict=True):
        assert torch.equal(one, other)
    assert [tensor._version for tensor in ours[3]] == [0] * len(SHAPES)


def test_a_shorter_tensor_is_caught_before_memory_is_written():
    long, short = [torch.ones(3)], [torch.ones(2)]
    with pytest.raises(AssertionError):
        sample_(long, short, long, 1.0, 1.0, 0)
    with pytest.raises(AssertionError):
        sample_(long, long, [], 1.0, 1.0, 0)
    assert long[0].tolist() == [1, 1, 1]

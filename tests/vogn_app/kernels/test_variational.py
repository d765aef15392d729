"""Products and the fused steps of IVON and Vadam: those of torch."""

import math

import pytest
import torch

from tests.vogn_app.kernels.test_updates import SHAPES, both_types, lists
from vogn_app.kernels.variational import ivon_update_, product_, vadam_update_
from vogn_app.optim import ivon, vadam

pytestmark = pytest.mark.usefixtures("native")

GROUP = {
    "lr": 0.2, "momentum": 0.9, "curvature_decay": 0.9, "damping": 0.05,
    "prior_precision": 10.0, "temperature": 0.5, "num_data": 100, "weight_decay": 0.0,
    "augmentation_factor": 1.0, "initial_curvature": 0.4, "clip_radius": None,
    "debias": True, "rescale_lr": True,
}  # fmt: skip
CASES = {
    "plain": {},
    "no prior": {"prior_precision": 0.0},
    "clipped": {"clip_radius": 0.5},
    "not corrected": {"debias": False},
    "no damping": {"damping": 0.0},
}


@both_types
@pytest.mark.parametrize("num_threads", [1, 3])
def test_products_are_noise_times_gradient(num_threads, dtype, many_parts):
    many_parts(num_threads)
    samples, means, gradients, products = lists(dtype, 4)
    product_(products, samples, means, gradients)
    for got, w, mu, g in zip(products, samples, means, gradients, strict=True):
        torch.testing.assert_close(got, (w - mu) * g, rtol=1e-6, atol=1e-7)
    assert {p._version for p in products} == {1}
    assert {p._version for p in (*samples, *means, *gradients)} == {0}


def assert_alike(update, kept, count, steps, dtype, monkeypatch):
    """The same with the kernel as without; `kept` lists are left alone."""
    ours = lists(dtype, count)
    theirs = [[tensor.clone() for tensor in each] for each in ours]
    for _ in range(3):
        update(ours)
        with monkeypatch.context() as patch:
            patch.setattr(ivon.kernels, "supports", lambda *_: False)
            update(theirs)
        steps[:] = [step + 1 for step in steps]
    tolerance = 20 * torch.finfo(dtype).eps
    for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        for got, wanted in zip(one, other, strict=True):
            assert (got._version == 0) == (number in kept)
            torch.testing.assert_close(
                got, wanted, rtol=10 * tolerance, atol=10 * tolerance
            )


@both_types
@pytest.mark.parametrize("noise", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_the_step_of_ivon_is_that_of_torch(case, noise, dtype, many_parts, monkeypatch):
    many_parts(3)
    group, steps = {**GROUP, **CASES[case]}, list(range(1, len(SHAPES) + 1))

    def update(tensors):
        means, gradients, products, momenta, curvatures = tensors
        given = [u - 0.5 for u in products] if noise else None  # of either sign
        ivon.ivon_update(means, gradients, given, momenta, curvatures, steps, group)

    kept = {1, 2} if noise else {1, 2, 4}
    assert_alike(update, kept, 5, steps, dtype, monkeypatch)


@both_types
@pytest.mark.parametrize("case", ["plain", "no prior"])
def test_the_step_of_vadam_is_that_of_torch(case, dtype, many_parts, monkeypatch):
    many_parts(3)
    group, steps = {**GROUP, **CASES[case]}, list(range(1, len(SHAPES) + 1))

    def update(tensors):
        vadam.vadam_update(*tensors, steps, group)

    assert_alike(update, {1}, 4, steps, dtype, monkeypatch)


IVON = {
    "momentum": 0.9, "decay": 0.9, "slope": 2.0, "prior": 0.1, "floor": 0.2,
    "least": 1e-5, "rate": 0.1, "radius": math.inf,
}  # fmt: skip
VADAM = {"momentum": 0.9, "decay": 0.9, "prior": 0.1, "floor": 0.2}


def test_what_is_no_number_stays_none():
    tensors = [
        [torch.full((3,), value)] for value in (1.0, math.nan, math.nan, 1.0, 1.0)
    ]
    ivon_update_(*tensors, [1.0], **IVON)
    assert all(tensors[number][0].isnan().all() for number in (0, 3, 4))


def test_empty_lists_are_nothing_to_do():
    product_([], [], [], [])
    ivon_update_([], [], [], [], [], [], **IVON)
    vadam_update_([], [], [], [], [], [], **VADAM)


def test_a_shorter_tensor_is_caught_before_memory_is_written():
    long, short = [torch.ones(3)], [torch.ones(2)]
    with pytest.raises(AssertionError):
        product_(long, long, short, long)
    with pytest.raises(AssertionError):
        ivon_update_(long, short, None, long, long, [1.0], **IVON)
    with pytest.raises(AssertionError):
        vadam_update_(long, short, long, long, [1.0], [1.0], **VADAM)
    assert long[0].tolist() == [1, 1, 1]

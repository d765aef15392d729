"""Which tensors the kernels take."""

import ctypes

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from vogn_app.kernels import library
from vogn_app.kernels.library import addresses, function, supports

pytestmark = pytest.mark.usefixtures("native")


class Subclass(torch.Tensor):
    pass


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (1, 1)])
def test_plain_tensors_and_parameters_are_taken(dtype, shape):
    tensor = torch.zeros(shape, dtype=dtype)
    assert supports(tensor)
    assert supports(tensor, torch.nn.Parameter(tensor), tensor.clone())


UNFIT = {
    "transposed": lambda: torch.zeros(2, 3).T,
    "expanded": lambda: torch.zeros(1).expand(3),
    "half": lambda: torch.zeros(3, dtype=torch.float16),
    "whole": lambda: torch.zeros(3, dtype=torch.int64),
    "complex": lambda: torch.zeros(3, dtype=torch.complex64),
    "meta": lambda: torch.zeros(3, device="meta"),
    "sparse": lambda: torch.zeros(3).to_sparse(),
    "subclass": lambda: torch.zeros(3).as_subclass(Subclass),
    "negated view": lambda: torch._neg_view(torch.zeros(3)),
    "no memory": lambda: torch._efficientzerotensor((3,)),
}


@pytest.mark.parametrize("make", UNFIT.values(), ids=UNFIT.keys())
def test_others_are_not(make):
    unfit = make()
    assert not supports(unfit)
    assert not supports(torch.zeros(3), unfit)


def test_types_must_not_be_mixed():
    assert not supports(torch.zeros(3).float(), torch.zeros(3).double())


def test_no_tensors_are_not_supported():
    assert not supports()


def test_memory_that_was_given_back_is_not_touched():
    tensor = torch.zeros(3)
    tensor.untyped_storage().resize_(0)
    assert not supports(tensor)


@pytest.mark.parametrize(
    "transform", [torch.vmap, torch.func.grad], ids=["vmap", "grad"]
)
def test_nothing_is_taken_within_a_transform(transform):
    seen, outside = [], torch.zeros(3)

    def look(x):
        seen.append(supports(x) or supports(outside))
        return x.sum()

    transform(look)(torch.zeros(2, 3))
    assert seen == [False]


def test_fake_tensors_and_real_ones_beside_them_are_not_taken():
    real = torch.zeros(3)
    with FakeTensorMode():
        assert not supports(torch.zeros(3))
        assert not supports(real)
    assert supports(real)


def test_nothing_is_taken_while_compiling(monkeypatch):
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert not supports(torch.zeros(3))


def test_a_torch_that_cannot_be_asked_is_left_alone(monkeypatch):
    monkeypatch.delattr(torch._C, "_len_torch_dispatch_stack")
    assert not supports(torch.zeros(3))


def test_without_a_library_nothing_is_taken(monkeypatch):
    monkeypatch.setattr(library, "library", lambda: None)
    assert not supports(torch.zeros(3))


@pytest.mark.parametrize("dtype", library.KINDS)
@pytest.mark.parametrize("name", library.SIGNATURES)
def test_every_function_is_there_with_its_types(name, dtype):
    result, arguments = library.SIGNATURES[name]
    found = function(name, dtype)
    assert (found.restype, list(found.argtypes)) == (result, arguments)
    with pytest.raises((ctypes.ArgumentError, TypeError)):
        found("too few")


def test_addresses_keep_their_tensors_alive():
    array = addresses([torch.arange(3.0), torch.arange(4.0)])
    assert [tensor.data_ptr() for tensor in array.tensors] == list(array)

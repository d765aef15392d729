"""Names with and without wrappers, and models that do not fit."""

import re

import pytest
import torch
from torch import distributed, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from vogn_app.posterior.matching import (
    buffers_of,
    check_model,
    check_same,
    copies_of,
    evaluating,
    parameters_of,
    plain_buffer_names,
    plain_names,
    put,
    restored,
    unwrap,
    with_own,
)

from .examples import Tied, assert_same, convnet, mlp, tensors_of


@pytest.fixture
def process_group():
    store = distributed.HashStore()
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def compiled(module):
    return torch.compile(module, backend="eager")


def test_wrappers_come_off():
    model = mlp()
    for wrapped in (model, compiled(model), DataParallel(model)):
        assert unwrap(wrapped) is model
        assert list(parameters_of(wrapped)) == list(parameters_of(model))
    assert unwrap(DataParallel(compiled(model))) is model


def test_distributed_wrappers_come_off(process_group):
    model = convnet()
    wrapped = compiled(DistributedDataParallel(compiled(model)))
    assert unwrap(wrapped) is model
    check_model(wrapped, parameters_of(model), buffers_of(model))
    names = plain_names(wrapped)
    assert list(names.values()) == list(parameters_of(model))
    assert all(name.endswith(plain) for name, plain in names.items())


def test_buffers_have_plain_names_too():
    model = convnet()
    names = plain_buffer_names(compiled(DataParallel(model)))
    assert list(names.values()) == list(buffers_of(model))
    assert all(name == f"_orig_mod.module.{plain}" for name, plain in names.items())
    hidden = nn.Module()
    hidden.register_buffer("more", torch.zeros(1), persistent=False)
    assert plain_buffer_names(hidden) == {}


def test_copies_are_of_everything_and_the_callers_own():
    model = convnet()
    before = tensors_of(model)
    parameters, buffers = copies_of(DataParallel(model))
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.zero_()
    assert {*parameters, *buffers} == {*before}
    for name, tensor in (parameters | buffers).items():
        assert torch.equal(tensor, before[name])
        assert not tensor.requires_grad


def test_a_models_own_stand_where_nothing_is_given():
    own = {"a": torch.zeros(2), "b": torch.zeros(1)}
    given = {"x.b": torch.ones(1).half()}
    got = with_own("parameters", own, given, {"x.b": "b"})
    assert list(got) == ["a", "b"]
    assert got["a"] is own["a"]
    assert got["b"].dtype == own["b"].dtype
    assert got["b"] == 1


@pytest.mark.parametrize(
    "other",
    [
        {"a": torch.zeros(2), "b": torch.zeros(1)},
        {},
        {"a": torch.zeros(3)},
        {"a": torch.zeros(2).half()},
        {"a": torch.zeros(2, device="meta")},
    ],
)
def test_what_differs_is_no_same_architecture(other):
    ours = {"a": torch.zeros(2)}
    check_same("parameters", ours, {"a": torch.ones(2)})
    with pytest.raises(ValueError, match=r"^components must have the same parameters"):
        check_same("parameters", ours, other)


def test_compiled_submodules_leave_no_mark():
    model = nn.Sequential(compiled(nn.Linear(2, 2)), nn.BatchNorm1d(2))
    assert "0._orig_mod.weight" in dict(model.named_parameters())
    plain = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    check_model(model, parameters_of(plain), buffers_of(plain))


def test_a_module_called_module_is_no_wrapper():
    model = nn.ModuleDict({"module": nn.Linear(1, 1)})
    assert unwrap(model) is model
    assert "module.weight" in parameters_of(model)


def test_a_tied_parameter_goes_by_its_first_name():
    assert list(parameters_of(Tied())) == ["scale", "encode.weight", "decode.bias"]


def test_buffers_are_the_persistent_ones():
    model = nn.Module()
    model.register_buffer("kept", torch.zeros(1))
    model.register_buffer("made", torch.zeros(1), persistent=False)
    assert list(buffers_of(model)) == ["kept"]


def check(model, other):
    check_model(model, parameters_of(other), buffers_of(other))


def test_missing_and_unexpected_names_are_told():
    text = (
        "model must have the parameters of the posterior, got missing 2.weight, 2.bias;"
        " unexpected 1.weight, 1.bias."
    )
    other = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3))
    with pytest.raises(ValueError, match=re.escape(text)):
        check(other, mlp())


def test_of_many_names_the_first_few_are_told():
    text = "got unexpected 0.weight, 0.bias, 2.weight and 1 more."
    with pytest.raises(ValueError, match=re.escape(text)):
        check_model(mlp(), {}, {})


def test_shapes_are_told():
    text = (
        "model must have the shapes of the posterior, got 0.weight of shape (5, 4), not"
        " (8, 4), 0.bias of shape (5,), not (8,)"
    )
    other = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    with pytest.raises(ValueError, match=re.escape(text)):
        check(other, mlp())


def test_missing_buffers_are_told():
    model = convnet()
    text = "model must have the persistent buffers of the posterior, got unexpected 1.r"
    with pytest.raises(ValueError, match=re.escape(text)):
        check_model(model, parameters_of(model), {})


def test_put_casts_to_the_models_types_and_keeps_its_tensors():
    model, values = mlp().float(), parameters_of(mlp())
    weight, address = model[0].weight, model[0].weight.data_ptr()
    put(model, values, {})
    assert model[0].weight is weight
    assert weight.data_ptr() == address
    assert torch.equal(weight, values["0.weight"].float())


def test_restored_puts_back_bits_after_an_exception():
    model = convnet().train()
    before = tensors_of(model)

    def fail():
        with restored(model):
            model(torch.randn(4, 1, 6, 6))  # moves running statistics
            model[0].weight.data.add_(1)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert_same(tensors_of(model), before)


def test_each_module_gets_its_own_mode_back():
    model = convnet().train()
    model[1].eval()
    modes = [module.training for module in model.modules()]

    def fail():
        with evaluating(model):
            assert not any(module.training for module in model.modules())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [module.training for module in model.modules()] == modes

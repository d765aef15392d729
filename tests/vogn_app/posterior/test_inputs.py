"""Inputs in batches, outputs as tensors."""

import re
from types import SimpleNamespace

import pytest
import torch

from vogn_app.posterior.inputs import Inputs, check_outputs, output_of

CPU = torch.device("cpu")


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_batches_are_the_examples_in_order(batch_size):
    x = torch.arange(7)
    inputs = Inputs(x)
    assert inputs.num_examples == 7
    parts = list(inputs.batches(batch_size, CPU))
    assert torch.equal(torch.cat([batch.args[0] for _, batch in parts]), x)
    assert all(torch.equal(x[rows], batch.args[0]) for rows, batch in parts)


def test_tuples_are_positional_and_dicts_keyword_arguments():
    x, mask = torch.arange(3), torch.ones(3, 2)
    (_, batch), _ = Inputs((x, mask, None)).batches(2, CPU)
    assert [type(value) for value in batch.args] == [torch.Tensor] * 2 + [type(None)]
    assert batch.args[1].shape == (2, 2)
    (_, batch), _ = Inputs({"x": x, "scale": 2.0}).batches(2, CPU)
    assert batch.args == ()
    assert batch.kwargs["x"].tolist() == [0, 1]
    assert batch.kwargs["scale"] == 2.0


def test_no_examples_are_one_empty_batch():
    ((rows, batch),) = Inputs(torch.zeros(0, 4)).batches(5, CPU)
    assert rows == slice(0, 0)
    assert batch.args[0].shape == (0, 4)


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (
            None,
            "x must be a tensor, or a tuple or dict of the model's arguments, got N",
        ),
        ((torch.zeros(2), torch.zeros(3)), "got shapes [(2,), (3,)]."),
        (torch.zeros(()), "got shapes [()]."),
        ((), "x must have tensors with the same number of examples"),
    ],
)
def test_other_inputs_are_errors(x, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        Inputs(x)


def test_outputs_are_tensors_or_logits():
    outputs = torch.zeros(2, 3)
    assert output_of(outputs) is outputs
    assert output_of(SimpleNamespace(logits=outputs)) is outputs
    with pytest.raises(ValueError, match=r"^model must give a tensor .*, got tuple"):
        output_of((outputs,))


@pytest.mark.parametrize("shape", [(), (3,), (3, 2)])
def test_outputs_without_the_examples_first_are_errors(shape):
    text = f"the 2 examples in their first dimension, got shape {shape}."
    with pytest.raises(ValueError, match=re.escape(text)):
        check_outputs(torch.zeros(5, *shape), 2)
    check_outputs(torch.zeros(5, 2, 3), 2)

"""Rows of the linear maps of recurrent layers, against autograd's gradients."""

import pytest
import torch

from tests.vogn_app.curvature.exactness import assert_close
from tests.vogn_app.curvature.recurrent_calls import (
    LAYERS,
    LENGTHS,
    OPTIONS,
    N,
    call_of,
    initial,
    make,
    names_of,
    packed_input,
    padded_input,
    pull,
)
from vogn_app import UnsupportedLayerError
from vogn_app.curvature import recurrent


def gradients_of_rows(module, call):
    """Gradients of all parameters, as sums over the rows of their maps."""
    result = {}
    with torch.no_grad():
        for end, x, g in recurrent.recurrent_rows(module, names_of(module), call):
            assert len(x) == len(g)
            parts = {f"weight_{end}": g.T @ x, f"bias_{end}": g.sum(0)}
            for name, part in parts.items():
                result[name] = result.get(name, 0) + part
    return {name: result[name] for name in names_of(module)}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("layer", LAYERS)
def test_rows_of_all_steps_make_up_the_gradient(layer, options, packed):
    module = make(layer, **OPTIONS[options])
    x = packed_input() if packed else padded_input(module)
    call = call_of(module, x, initial(module))
    expected = torch.autograd.grad(pull(module, call), list(module.parameters()))
    got = gradients_of_rows(module, call)
    assert_close(got, dict(zip(names_of(module), expected, strict=True)))


def test_padding_is_left_out_and_chunks_change_nothing(monkeypatch):
    module = make("lstm", bidirectional=True)
    call = call_of(module, packed_input())
    whole = list(recurrent.recurrent_rows(module, names_of(module), call))
    assert [len(x) for _, x, _ in whole] == [sum(LENGTHS)] * 4
    monkeypatch.setattr(recurrent, "CHUNK_ELEMENTS", 1)
    parts = list(recurrent.recurrent_rows(module, names_of(module), call))
    assert len(parts) == N * len(whole)
    for end, x, g in whole:
        each = [(u, v) for other, u, v in parts if other == end]
        inputs, gradients = (torch.cat(rows) for rows in zip(*each, strict=True))
        assert len(inputs) == len(x)
        torch.testing.assert_close(gradients.T @ inputs, g.T @ x)
        torch.testing.assert_close(inputs.T @ inputs, x.T @ x)


def test_maps_without_wanted_parameters_give_no_rows():
    module = make("gru")
    call = call_of(module, padded_input(module))
    found = recurrent.recurrent_rows(module, ["bias_hh_l0"], call)
    assert [end for end, _, _ in found] == ["hh_l0"]


def test_rows_have_the_same_obstacles_as_contributions():
    module = make("lstm", num_layers=2, dropout=0.5)
    call = call_of(module, padded_input(module))
    with pytest.raises(UnsupportedLayerError, match="without dropout"):
        list(recurrent.recurrent_rows(module, names_of(module), call))

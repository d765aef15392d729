"""What a posterior may be built from, and the messages about the rest."""

import math
import re

import pytest
import torch

from vogn_app.posterior import GaussianPosterior
from vogn_app.posterior.fields import cast, plain_values


def build(**changed):
    fields = {
        "mean": {"w": torch.zeros(2), "b": torch.zeros(1)},
        "precision": {"w": torch.ones(2)},
        "prior_precision": {"w": 1.0},
    }
    return GaussianPosterior(**{**fields, **changed})


W = torch.zeros(2)
WRONG = [
    ({"mean": [W]}, "mean must be a dict of tensors by name, got list."),
    ({"mean": {"w": 1.0}}, "mean must be a dict of tensors by name, got float for 'w'"),
    ({"mean": {}, "precision": {}}, "mean must have at least one parameter, got none."),
    (
        {"precision": {c: torch.ones(2) for c in "vxyz"}},
        "precision must name parameters of mean, got v, x, y and 1 more.",
    ),
    (
        {"precision": {"w": torch.ones(3)}},
        "precision must have the shape of mean, (2,) for w, got (3,).",
    ),
    ({"precision": {"w": W}}, "precision must be finite and > 0, got 0 for w."),
    (
        {"precision": {"w": torch.tensor([1.0, math.nan])}},
        "precision must be finite and > 0, got nan for w.",
    ),
    (
        {"precision": {"w": torch.tensor([1.0, math.inf])}},
        "precision must be finite and > 0, got inf for w.",
    ),
    (
        {"mean": {"w": torch.tensor([0.0, -math.inf])}},
        "mean must be finite where there is a precision, got -inf for w.",
    ),
    (
        {"mean": {"w": torch.zeros(2, dtype=torch.int64)}},
        "mean must be real floating-point where there is a precision, got torch.int64",
    ),
    (
        {"precision": {"w": torch.ones(2, dtype=torch.complex64)}},
        "precision must be real floating-point where there is a precision, got "
        "torch.complex64 for w.",
    ),
    (
        {"buffers": {"x": torch.zeros(1, device="meta")}},
        "mean, precision and buffers must be on one device, got cpu, meta.",
    ),
    (
        {"prior_precision": 1.0},
        "prior_precision must be a dict of numbers by name, got float.",
    ),
    (
        {"prior_precision": {}},
        "prior_precision must have the names of precision, got a difference in w.",
    ),
    (
        {"prior_precision": {"w": -1.0}},
        "prior_precision of w must be a finite number in [0, inf), got -1.0.",
    ),
    ({"metadata": None}, "metadata must be a dict, got NoneType."),
    (
        {"metadata": {"a": [1]}},
        "metadata must be strings and numbers by name, got list for 'a'.",
    ),
]


@pytest.mark.parametrize(("changed", "text"), WRONG, ids=[text for _, text in WRONG])
def test_wrong_fields_are_named(changed, text):
    with pytest.raises(ValueError, match="^" + re.escape(text)):
        build(**changed)


def test_fields_are_kept_outside_any_graph():
    weight = torch.zeros(2, requires_grad=True)
    posterior = build(mean={"w": weight})
    assert not posterior.mean["w"].requires_grad
    assert posterior.mean["w"].data_ptr() == weight.data_ptr()


def test_an_improper_prior_and_silent_parameters_of_any_kind_are_allowed():
    posterior = build(
        mean={"w": W, "mask": torch.tensor([True]), "bound": torch.tensor(math.inf)},
        prior_precision={"w": 0},
    )
    assert posterior.prior_precision == {"w": 0.0}


def test_values_become_builtin_so_that_no_file_needs_a_class():
    class Name(str):
        __slots__ = ()

    plain = plain_values({"a": Name("x"), "b": True, "c": 2, "d": 2.0, "e": None})
    assert [type(v) for v in plain.values()] == [str, bool, int, float, type(None)]


def test_only_floating_point_tensors_change_their_type():
    tensors = {"x": torch.ones(1), "n": torch.ones(1, dtype=torch.int64)}
    changed = cast(tensors, None, torch.bfloat16)
    assert [t.dtype for t in changed.values()] == [torch.bfloat16, torch.int64]
    assert cast(tensors, "cpu", None)["x"] is tensors["x"]

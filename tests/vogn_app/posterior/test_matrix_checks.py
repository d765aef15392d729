"""Blocks that do not fit are refused with a message that says why."""

import re
from dataclasses import replace

import pytest
import torch
from torch import nn

from vogn_app.curvature.kronecker.blocks import INPUTS, OUTPUTS, Part
from vogn_app.curvature.kronecker.damped import Request
from vogn_app.curvature.kronecker.moments import Moment
from vogn_app.posterior.matrix_checks import check_blocks

from .matrix_examples import Zoo, blocks_of


def linear():
    """A block of a linear layer 3 -> 2, and its means."""
    model = nn.Linear(3, 2)
    (block,) = blocks_of(model)
    return block, {name: p.detach() for name, p in model.named_parameters()}


@pytest.mark.filterwarnings("ignore:scale .* have no curvature")
@pytest.mark.parametrize("joint", [False, True])
def test_blocks_of_a_model_fit(joint):
    model = Zoo()
    mean = {name: p.detach() for name, p in model.named_parameters()}
    check_blocks(blocks_of(model, joint=joint), mean)


def with_layout(block, **changes):
    return replace(block, layout=replace(block.layout, **changes))


def with_part(block, role, **changes):
    parts = dict(block.layout.parts)
    parts[role] = replace(parts[role], **changes)
    return with_layout(block, parts=parts)


def with_factor(block, side, value=None, form="matrix", damping=None):
    old = block.factors[side]
    moment = old.moment_mean if value is None else Moment(form, value, 1)
    new = Request(moment, old.damping if damping is None else torch.tensor(damping))
    return replace(block, factors={**block.factors, side: new})


MATRIX, SIZE = "a matrix that its parts fill", "a factor of size 2"
WRONG = {
    "unknown": (lambda b: with_part(b, "weight", name="other"), "parameters of mean"),
    "shape": (
        lambda b: with_part(b, "weight", shape=torch.Size((3, 2))),
        "parts in the shape of weight, (2, 3)",
    ),
    "rows": (
        lambda b: with_part(b, "weight", rows=(0, 1)),
        "parts in the shape of weight, (2, 3)",
    ),
    "matrix": (
        lambda b: with_layout(b, shape=(1, 2, 5)),
        MATRIX,
    ),
    "turned": (
        lambda b: with_layout(b, transposed=True),
        MATRIX,
    ),
    "groups": (
        lambda b: with_layout(b, shape=(1, 4, 2)),
        MATRIX,
    ),
    "sides": (
        lambda b: with_layout(b, sides=(INPUTS, OUTPUTS, "more")),
        MATRIX,
    ),
    "no factor": (lambda b: replace(b, factors={}), "('inputs', 'outputs')"),
    "size": (
        lambda b: with_factor(b, OUTPUTS, torch.eye(3)[None]),
        SIZE,
    ),
    "form": (
        lambda b: with_factor(b, OUTPUTS, torch.ones(1, 2, 2), "diagonal"),
        SIZE,
    ),
    "no form": (
        lambda b: with_factor(b, OUTPUTS, torch.ones(1, 2, 2), "other"),
        SIZE,
    ),
    "whole": (
        lambda b: with_factor(b, OUTPUTS, torch.ones(1, 2, 2, dtype=torch.int64)),
        SIZE,
    ),
    "nan": (
        lambda b: with_factor(b, INPUTS, torch.full((1, 4, 4), torch.nan)),
        "finite factors",
    ),
    "damping": (lambda b: with_factor(b, INPUTS, damping=[0.0]), "a damping > 0"),
    "dampings": (lambda b: with_factor(b, INPUTS, damping=[1.0, 1.0]), "a damping > 0"),
    "scale": (lambda b: replace(b, scale=0.0), "a finite scale > 0"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_does_not_fit_is_an_error(kind):
    change, text = WRONG[kind]
    block, mean = linear()
    with pytest.raises(ValueError, match=re.escape(f"blocks must have {text}")):
        check_blocks([change(block)], mean)


def test_means_must_be_finite_numbers():
    block, mean = linear()
    whole = {**mean, "weight": mean["weight"].to(torch.int64)}
    with pytest.raises(ValueError, match="real floating-point means"):
        check_blocks([block], whole)
    endless = {**mean, "bias": torch.full((2,), torch.inf)}
    with pytest.raises(ValueError, match="finite means"):
        check_blocks([block], endless)


def test_a_joint_damping_is_of_two_sides():
    model = nn.LayerNorm(3)
    (block,) = blocks_of(model)
    mean = {name: p.detach() for name, p in model.named_parameters()}
    with pytest.raises(ValueError, match="two sides with one damping"):
        check_blocks([replace(block, joint=True)], mean)


def test_names_are_unique():
    block, mean = linear()
    with pytest.raises(ValueError, match=r"blocks must have different names"):
        check_blocks([block, block], mean)


def test_an_element_is_in_one_block():
    block, mean = linear()
    other = with_layout(block, name="other")
    with pytest.raises(ValueError, match=r"every element of their parameters once"):
        check_blocks([block, other], mean)


def test_rows_are_all_there():
    weight = torch.zeros(4, 3)
    (block,) = blocks_of(nn.Linear(3, 2, bias=False))

    def rows(name, first, last):
        part = Part("weight", torch.Size((last - first, 3)), (first, last))
        return with_layout(block, name=name, parts={"weight": part})

    check_blocks([rows("b", 2, 4), rows("a", 0, 2)], {"weight": weight})
    with pytest.raises(ValueError, match=r"got rows \[\(0, 2\)\] of weight"):
        check_blocks([rows("a", 0, 2)], {"weight": weight})
    with pytest.raises(ValueError, match=r"every element"):
        check_blocks([rows("a", 0, 2), rows("b", 1, 3)], {"weight": weight})


def test_norm_layers_have_packed_factors():
    model = nn.LayerNorm(3)
    (block,) = blocks_of(model)
    mean = {name: p.detach() for name, p in model.named_parameters()}
    check_blocks([block], mean)
    for value in (torch.ones(1, 3), torch.ones(2, 3), torch.ones(3, 2), torch.ones(3)):
        wrong = with_factor(block, "unit", value, "diagonal")
        with pytest.raises(ValueError, match="a factor of size 6 for unit"):
            check_blocks([wrong], mean)

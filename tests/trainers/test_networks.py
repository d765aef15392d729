"""Tests of our own networks; those of their sizes are in `test_models`."""

import ast
from pathlib import Path

import torch
from torch import nn

from trainers import networks
from trainers.catalogue import MODELS
from trainers.networks import NETWORKS, ResidualBlock


def test_there_is_a_network_for_every_name_of_the_catalogue():
    assert NETWORKS.keys() == MODELS.keys()


def test_a_download_can_carry_the_file_where_there_is_torch_alone():
    tree = ast.parse(Path(networks.__file__).read_text(encoding="utf-8"))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    roots = {(node.module or "").split(".")[0] for node in found}
    assert roots == {"collections", "itertools", "torch"}


def test_the_shortcut_has_no_parameters():
    block = ResidualBlock(2, 4, 2).eval()
    for convolution in (block.conv1, block.conv2):
        nn.init.zeros_(convolution.weight)
    x = torch.rand(1, 2, 4, 4)
    expected = torch.cat([x[:, :, ::2, ::2], torch.zeros(1, 2, 2, 2)], dim=1)
    torch.testing.assert_close(block(x), expected)

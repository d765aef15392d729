"""Tests of dropout in front of dense layers, and of which these are."""

import copy
import pickle
from itertools import pairwise

import pytest
import torch
from torch import nn

from vogn_app.optim.input_dropout import (
    InputDropout,
    InstalledDropout,
    clear,
    dense_layers,
)


def dense(*sizes):
    return nn.Sequential(*(nn.Linear(n, m) for n, m in pairwise(sizes)))


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 6), nn.ReLU(),
        nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3),
    )  # fmt: skip


class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.attention = nn.MultiheadAttention(4, 2)
        self.head = nn.Linear(4, 3)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(5, 4)
        self.inner, self.more = nn.Linear(4, 4), nn.Linear(4, 4)
        self.out = nn.Linear(4, 5, bias=False)
        self.out.weight = self.words.weight


def test_by_default_all_but_the_first_or_the_only_one():
    assert list(dense_layers(dense(2, 4, 4, 3), None)) == ["1", "2"]
    assert list(dense_layers(lenet(), None)) == ["5", "7"]
    assert list(dense_layers(nn.Sequential(nn.ReLU(), nn.Linear(2, 3)), None)) == ["1"]


def test_layers_whose_weights_others_read_are_left_out():
    assert list(dense_layers(Attending(), ["*"])) == ["first", "head"]
    assert list(dense_layers(Tied(), ["*"])) == ["inner", "more"]


def test_names_and_patterns_choose():
    assert list(dense_layers(lenet(), "7")) == ["7"]
    assert list(dense_layers(Tied(), ["m*", "inner"])) == ["inner", "more"]
    assert list(dense_layers(nn.DataParallel(dense(2, 4, 3)), None)) == ["1"]


def test_what_fits_nothing_is_told():
    with pytest.raises(ValueError, match=r"\(such as 3, 5, 7\), got 0, head\."):
        dense_layers(lenet(), ["3", "0", "head"])
    with pytest.raises(ValueError, match=r"dense layers .*, got none"):
        dense_layers(lenet(), [])
    with pytest.raises(ValueError, match=r"model must have an nn\.Linear whose"):
        dense_layers(nn.Conv2d(1, 1, 1), None)


def test_it_is_torchs_dropout_in_train_mode_alone():
    layer, x = nn.Linear(6, 3), torch.randn(5, 6)
    InstalledDropout([(layer, 0.4)])
    torch.manual_seed(1)
    ours = layer(x)
    torch.manual_seed(1)
    theirs = nn.functional.dropout(x, 0.4) @ layer.weight.T + layer.bias
    torch.testing.assert_close(ours, theirs)
    layer.eval()
    assert torch.equal(layer(x), x @ layer.weight.T + layer.bias)


def test_an_input_by_name_is_dropped_alike():
    layer, x = nn.Linear(6, 3), torch.randn(5, 6)
    InstalledDropout([(layer, 0.4)])
    torch.manual_seed(1)
    by_place = layer(x)
    torch.manual_seed(1)
    assert torch.equal(layer(input=x), by_place)
    assert not torch.equal(layer.eval()(input=x), by_place)


def test_removed_it_is_gone():
    layer = nn.Linear(6, 3)
    installed = InstalledDropout([(layer, 0.4)])
    assert installed.active
    for _ in range(2):
        installed.remove()
    assert not installed.active
    assert not layer._forward_pre_hooks


def test_the_last_one_counts():
    layer, x = nn.Linear(6, 3), torch.ones(1, 6)
    first = InstalledDropout([(layer, 0.4)])
    second = InstalledDropout([(layer, 0.9)])
    assert (first.active, second.active) == (False, True)
    layer.weight.data.fill_(1.0)
    layer.bias.data.zero_()
    # Kept inputs are 10; the first one's would be made of 1 / 0.6.
    assert {round(layer(x)[0, 0].item(), 6) % 10 for _ in range(20)} == {0.0}


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_copies_are_off(copied):
    layer, x = nn.Linear(6, 3), torch.ones(1, 6)
    InstalledDropout([(layer, 0.4)])
    other = copied(layer)
    assert torch.equal(other(x), layer.eval()(x))


def test_copies_of_copies_gather_no_hooks():
    layer = nn.Linear(6, 3)
    for _ in range(3):
        installed = InstalledDropout([(layer, 0.4)])
        layer = copy.deepcopy(layer)
        assert len(layer._forward_pre_hooks) == 1  # the original's, which is off
    last = InstalledDropout([(layer, 0.4)])
    assert len(layer._forward_pre_hooks) == len(layer._forward_pre_hooks_with_kwargs)
    installed.remove()  # of the original: the copy keeps its own
    assert last.active
    assert len(layer._forward_pre_hooks) == 1


def test_hooks_of_others_are_left_alone():
    layer, calls = nn.Linear(6, 3), []
    layer.register_forward_pre_hook(lambda *given: calls.append(given))
    InstalledDropout([(layer, 0.4)])
    clear(layer)
    assert len(layer._forward_pre_hooks) == 1
    layer(torch.ones(1, 6))
    assert len(calls) == 1


def test_a_module_called_with_other_keywords_is_left_alone():
    assert InputDropout(0.5)(nn.Linear(1, 1), (), {"x": torch.ones(1)}) is None

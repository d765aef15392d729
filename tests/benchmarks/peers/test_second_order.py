"""benchmarks/peers/second_order.py."""

import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.peers import second_order
from benchmarks.peers.methods import METHODS

STEPS = {
    "asdl": second_order.asdl_kfac_step,
    "kfac": second_order.kfac_pytorch_step,
    "singd": second_order.singd_step,
    "pytorch_optimizer": second_order.shampoo_step,
}
pytestmark = pytest.mark.filterwarnings("ignore")  # the peers' own


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
        nn.Linear(64, 3),
    )  # fmt: skip


def batch():
    torch.manual_seed(1)
    return torch.randn(16, 1, 6, 6), torch.randint(3, (16,))


def prepared(package, interval):
    pytest.importorskip(package)
    model = network()
    return model, STEPS[package](model, interval)


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    """For the benchmark they learn too slowly to be seen to learn."""
    monkeypatch.setattr(second_order, "LR", 1e-3)


@pytest.mark.parametrize("package", STEPS)
def test_a_peer_learns_with_every_parameter(package):
    model, step = prepared(package, 2)
    inputs, labels = batch()
    before = [p.detach().clone() for p in model.parameters()]
    start = F.cross_entropy(model(inputs), labels)
    for _ in range(20):
        step(inputs, labels)
    assert F.cross_entropy(model(inputs), labels) < start
    for old, new in zip(before, model.parameters(), strict=True):
        assert not torch.equal(old, new)


def test_soap_learns():
    pytest.importorskip("pytorch_optimizer")
    model = network()
    step, (inputs, labels) = second_order.soap_step(model, 2), batch()
    start = F.cross_entropy(model(inputs), labels)
    for _ in range(20):
        step(inputs, labels)
    assert F.cross_entropy(model(inputs), labels) < start


@pytest.mark.parametrize("package", ["asdl", "singd"])
def test_curvature_is_renewed_at_the_interval(package):
    weights = []
    for interval in (1, 3):
        model, step = prepared(package, interval)
        for _ in range(3):
            step(*batch())
        weights.append(model[0].weight.detach())
    assert not torch.equal(*weights)


@pytest.mark.parametrize("package", STEPS)
def test_a_peer_is_imported_when_used(package, monkeypatch):
    for module in list(sys.modules):
        if module.split(".")[0] == package:
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError, match=package):
        STEPS[package](network(), 1)


def test_intervals_and_cycles_agree():
    cycles = {name: method.cycle for name, method in METHODS.items()}
    for name in ("kfac", "asdl_kfac", "kfac_pytorch", "singd"):
        assert cycles[name] == 10
        assert cycles[f"{name}_every_step"] == 1
    assert (cycles["shampoo"], cycles["soap"], cycles["sp_ngd"]) == (10, 10, 300)

"""benchmarks/peers/contenders.py."""

import pytest
from timm.optim import Lamb
from torch import nn
from torch.optim import SGD, AdamW

from benchmarks.peers.contenders import (
    SETTINGS,
    Setting,
    build_contender,
)
from trainers.catalogue import optimizer_spec
from vogn_app import KFAC, SPNGD

KINDS = {"sgd": SGD, "adamw": AdamW, "lamb": Lamb, "kfac": KFAC, "sp_ngd": SPNGD}


def test_all_methods_have_the_same_number_of_settings():
    assert list(SETTINGS) == list(KINDS)
    for settings in SETTINGS.values():
        assert len(set(settings)) == len(settings) == 4


@pytest.mark.parametrize("method", SETTINGS)
def test_a_setting_is_what_the_optimizer_has_beside_the_products_defaults(method):
    for setting in SETTINGS[method]:
        optimizer = build_contender(method, setting, 256, nn.Linear(2, 3))
        assert type(optimizer) is KINDS[method]
        lr = setting.lr or optimizer_spec(method).defaults()["lr"]
        assert {group["lr"] for group in optimizer.param_groups} == {lr}
        if setting.damping is not None:
            assert optimizer.figures()["damping"] == setting.damping
            assert optimizer.kl_clip == setting.kl_clip


@pytest.mark.parametrize(("batch_size", "interval"), [(256, 10), (1024, 2), (4096, 1)])
def test_kfac_renews_its_curvature_with_the_examples_it_sees(batch_size, interval):
    optimizer = build_contender("kfac", Setting(), batch_size, nn.Linear(2, 3))
    assert optimizer.figures()["factor_interval"] == interval

"""One process alone has all there is."""

import torch

from vogn_app.curvature.kronecker.capture import Gathered
from vogn_app.curvature.kronecker.moments import Moment
from vogn_app.distributed import Weighing
from vogn_app.optim.cooperation import Alone

KEYS = [("a", "inputs"), ("a", "outputs")]


def gathered():
    moments = {
        key: Moment("matrix", torch.rand(1, 2, 2), count)
        for key, count in zip(KEYS, (12, 3), strict=True)
    }
    return Gathered(moments, 3, False)


def test_it_exchanges_nothing_and_finds_its_own():
    alone, own = Alone(), gathered()
    with alone.sending(KEYS, None, Weighing(mean=True)):
        alone.launch(own)
    for gradients in (True, False):
        found = alone.exchange(KEYS, own, gradients=gradients)
        assert found.gradients is None
        assert list(found.keys) == KEYS
        assert found.sums == own.moments
        assert found.counts == {KEYS[0]: 12, KEYS[1]: 3}
        assert found.num_examples == 3
        assert found.weight == found.own_weight == 1.0
    alone.drop()


def test_it_says_what_took_part_not_what_was_due():
    own = Gathered({KEYS[1]: gathered().moments[KEYS[1]]}, 3, False)
    assert list(Alone().exchange(KEYS, own, gradients=True).keys) == KEYS[1:]


def test_it_does_all_the_work_and_shares_it_with_nobody():
    alone = Alone()
    assert alone.inverts("a")
    assert alone.works_on("a")
    inverses = {KEYS[0]: None}
    assert alone.share_inverses(KEYS, inverses) == inverses
    tensors = {"a": torch.rand(1, 2, 2)}
    assert alone.summed_scales(tensors, ["a", "b"]) == tensors
    assert alone.share_products(["a"], tensors) == tensors

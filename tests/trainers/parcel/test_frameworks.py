"""Tests of the code for other libraries; `test_snippets.py` runs it."""

import pytest

from trainers.catalogue import OPTIMIZERS
from trainers.parcel.frameworks import accelerate, hugging_face, lightning
from trainers.parcel.settings import MAKERS

KINDS = (lightning, hugging_face, accelerate)


@pytest.mark.parametrize("name", [n for n in OPTIMIZERS if not MAKERS[n].members])
def test_those_that_take_gradients_in_blocks_do_so_by_themselves(name):
    spec, blocks = OPTIMIZERS[name], MAKERS[name].blocks
    for kind in KINDS:
        assert ("automatic=True" in kind(spec, {}).code) == blocks
        drawn = blocks and spec.bayesian
        assert ("draws the weights" in kind(spec, {}).note) == drawn


def test_what_is_left_to_do_at_the_end_is_done():
    laplace = OPTIMIZERS["laplace"]
    assert "trainer.optimizers[0].finish(lambda: loader)" in lightning(laplace, {}).code
    assert "optimizer.finish(lambda: batches)" in accelerate(laplace, {}).code
    assert "finish" not in accelerate(OPTIMIZERS["mc_dropout"], {}).code


def test_draws_of_a_step_that_a_loop_cannot_do_are_told():
    vogn, several = OPTIMIZERS["vogn"], {"num_samples": 4}
    for kind in (hugging_face, accelerate):
        assert "each forward pass draws once" in kind(vogn, several).note
        assert "draws once" not in kind(vogn, {}).note
    assert "draws once" not in lightning(vogn, several).note


def test_the_module_keeps_what_its_optimizer_needs():
    kept = "self.model, self.num_data = model, num_data"
    assert kept in lightning(OPTIMIZERS["vogn"], {}).code
    code = lightning(OPTIMIZERS["sgd"], {}).code
    assert "        self.model = model\n" in code
    assert "num_data" not in code

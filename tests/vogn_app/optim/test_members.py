"""Tests of what one member of an ensemble does."""

import pytest
import torch
from torch import nn

from vogn_app import VOGN, SnapshotEnsemble
from vogn_app.optim.members import Member, components_of, on_cpu


def member(optimizer=None, seed=0):
    model = nn.Linear(2, 1)
    made = (optimizer or torch.optim.SGD)(model.parameters(), lr=1.0)
    model(torch.ones(1, 2)).sum().backward()  # gradients of 1
    return Member(model, made, seed)


def test_without_a_posterior_the_weights_are_a_point():
    own = member()
    assert own.has_posterior
    posterior = own.posterior()
    assert not posterior.sampled_names
    assert torch.equal(posterior.mean["weight"], own.model.weight)
    assert posterior.mean["weight"].data_ptr() != own.model.weight.data_ptr()


@pytest.mark.parametrize(
    ("scale", "found_inf", "moved"),
    [(None, None, 1), (4.0, 0.0, 0.25), (None, 0.0, 1), (4.0, 1.0, 0), (None, 1.0, 0)],
)
def test_who_knows_nothing_of_scales_is_given_true_gradients(scale, found_inf, moved):
    own = member()
    before = own.model.weight.detach().clone()
    told = (None if each is None else torch.tensor(each) for each in (scale, found_inf))
    own.step(*told)
    torch.testing.assert_close(
        before - own.model.weight, torch.full((1, 2), moved * 1.0)
    )


class Told(torch.optim.SGD):
    """Knows of scales, and fails."""

    _step_supports_amp_scaling = True

    def step(self, closure=None):
        raise ArithmeticError(f"{self.grad_scale}, {self.found_inf:g}")


def test_who_knows_of_scales_is_told_and_keeps_nothing():
    own = member(Told)
    with pytest.raises(ArithmeticError, match="None, 1"):
        own.step(None, torch.tensor(1.0))
    assert not hasattr(own.optimizer, "grad_scale")
    assert not hasattr(own.optimizer, "found_inf")


def test_a_refused_optimizer_leaves_the_network_alone():
    own, model = member(), nn.Linear(2, 1)
    other = VOGN(model, num_data=4).state_dict()
    ours = VOGN(own.model, num_data=5)
    before = own.model.weight.detach().clone()
    state = {"model": model.state_dict(), "optimizer": other}
    with pytest.raises(ValueError, match="num_data"):
        Member(own.model, ours, 0).load_state_dict(state)
    assert torch.equal(own.model.weight, before)


def test_mixtures_of_different_numbers_do_not_mix():
    ensembles = []
    for num in (1, 2):
        model = nn.Linear(2, 1)
        ensembles.append(SnapshotEnsemble(model, num_steps=num, cycles=num))
        for _ in range(num):
            ensembles[-1].step()
    members = [Member(each.network, each, 0) for each in ensembles]
    with pytest.raises(ValueError, match=r"as many components.* got 1, 2\."):
        components_of(members)


def test_a_state_goes_to_the_cpu_as_it_is():
    tensor = torch.ones(2, requires_grad=True)
    found = on_cpu({"a": [tensor, (1, "x")], "b": None})
    assert found["a"][1:] == [(1, "x")]
    assert found["b"] is None
    assert not found["a"][0].requires_grad

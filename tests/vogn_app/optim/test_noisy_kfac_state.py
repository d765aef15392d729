"""What Noisy K-FAC saves: resumed runs, copies, states of others."""

import copy
import io

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.networks import (
    assert_bitwise,
    assert_same,
    block,
    network,
    weights,
)
from tests.vogn_app.optim.noisy import train
from vogn_app import KFAC, VOGN, NoisyKFAC

SETTINGS = {"num_data": 20, "lr": 0.05, "factor_interval": 3, "damping": 0.1}


def saved(optimizer):
    """Model and optimizer through a file that holds no code."""
    file = io.BytesIO()
    torch.save((optimizer.model.state_dict(), optimizer.state_dict()), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("curvature", ["empirical", "fisher"])
@pytest.mark.parametrize("inversion", ["cholesky", "eigen"])
@pytest.mark.parametrize("stop", [1, 4])
def test_a_run_goes_on_bit_for_bit(curvature, inversion, stop):
    settings = {**SETTINGS, "curvature": curvature, "inversion": inversion}
    through = NoisyKFAC(network(), **settings)
    train(through, stop, num_blocks=2)
    model_state, state = saved(through)
    model = network()
    model.load_state_dict(model_state)
    resumed = NoisyKFAC(model, **settings)
    resumed.load_state_dict(state)
    ours, theirs = resumed.posterior(), through.posterior()
    assert_bitwise(ours.sample(2), theirs.sample(2))
    for each in (through, resumed):
        train(each, 5, num_blocks=2, first=stop)
    assert_bitwise(weights(resumed.model), weights(through.model))
    assert_bitwise(resumed.posterior().sample(), through.posterior().sample())


def test_a_copy_goes_on_bit_for_bit_and_alone():
    optimizer = NoisyKFAC(network(), **SETTINGS)
    train(optimizer, 2)
    model, twin = copy.deepcopy((optimizer.model, optimizer))
    assert twin.model is model
    train(twin, 3, first=2)
    between = weights(optimizer.model)
    train(optimizer, 3, first=2)
    assert_bitwise(weights(model), weights(optimizer.model))
    assert not torch.equal(between["0.weight"], weights(model)["0.weight"])


def test_a_posterior_is_left_alone_by_later_steps():
    optimizer = NoisyKFAC(network(), **SETTINGS)
    train(optimizer, 2)
    posterior = optimizer.posterior()
    before = posterior.sample(2)
    train(optimizer, 4)
    assert_bitwise(copy.copy(posterior).sample(2), before)
    assert posterior.metadata["method"] == "NoisyKFAC"
    assert posterior.metadata["num_steps"] == 2


def test_states_of_others_are_refused():
    optimizer = NoisyKFAC(network(), num_data=20)
    other = VOGN(network(), num_data=20)
    with pytest.raises(ValueError, match=r"^state_dict must be of a NoisyKFAC"):
        optimizer.load_state_dict(other.state_dict())
    other = NoisyKFAC(network(), num_data=21)
    with pytest.raises(ValueError, match=r"^num_data must be 20 in the state"):
        optimizer.load_state_dict(other.state_dict())
    other = NoisyKFAC(
        nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2)), num_data=20
    )
    x = torch.randn(6, 4)
    block(other, x, torch.randint(2, (6,)))
    other.step()
    with pytest.raises(ValueError, match=r"^momentum_buffer must have shape \(4, 3\)"):
        optimizer.load_state_dict(other.state_dict())


OTHERS = {
    "KFAC": (KFAC, r"state_dict must be of a NoisyKFAC, got one of a KFAC\."),
    "shape": (
        lambda model: NoisyKFAC(model, num_data=20, shape="diagonal"),
        "state must be of a preconditioner of the same model and shape",
    ),
    "groups": (
        lambda model: NoisyKFAC(
            model, num_data=20, params=[{"params": [p]} for p in model.parameters()]
        ),
        "groups of the state to load must hold 4 parameters, got 1, 1, 1, 1",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_state_that_is_refused_changes_nothing(name):
    make, message = OTHERS[name]
    optimizer, other = NoisyKFAC(network(), **SETTINGS), make(network())
    train(optimizer, 2)
    if name == "KFAC":
        F.cross_entropy(other.model(torch.randn(6, 3)), torch.ones(6).long()).backward()
        other.step()
    else:
        train(other, 1)
    twin = NoisyKFAC(network(), **SETTINGS)
    twin.model.load_state_dict(optimizer.model.state_dict())
    twin.load_state_dict(saved(optimizer)[1])
    with pytest.raises(ValueError, match=f"^{message}"):
        optimizer.load_state_dict(other.state_dict())
    for each in (optimizer, twin):
        train(each, 5, first=2)
    assert_bitwise(weights(optimizer.model), weights(twin.model))
    with pytest.raises(ValueError, match=r"^state_dict must be of a VOGN, got one of "):
        VOGN(network(), num_data=20).load_state_dict(optimizer.state_dict())


@pytest.mark.parametrize("pair", [("cholesky", "eigen"), ("eigen", "cholesky")])
def test_the_posterior_of_another_inversion_is_that_of_the_same_statistics(pair):
    made = [NoisyKFAC(network(), **SETTINGS, inversion=each) for each in pair]
    made[1].model.load_state_dict(made[0].model.state_dict())
    posteriors = []
    for optimizer in made:
        train(optimizer, 1)  # at the mean: there is no noise before the first step
        posteriors.append(optimizer.posterior())
    loaded = NoisyKFAC(network(), **SETTINGS, inversion=pair[1])
    loaded.model.load_state_dict(made[1].model.state_dict())
    loaded.load_state_dict(saved(made[0])[1])
    got, expected = loaded.posterior(), posteriors[1]
    assert_same(got.marginals().precision, expected.marginals().precision)

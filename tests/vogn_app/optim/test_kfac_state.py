"""What K-FAC saves: resumed runs, states of others, copies."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.natural import Scale, close, convolutional, images, train
from vogn_app import KFAC

SETTINGS = {"damping": 0.05, "factor_interval": 2, "factor_decay": 0.8}


def twins():
    one, other = convolutional(), convolutional()
    other.load_state_dict(one.state_dict())
    return one, other


def through_a_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


STATES = {
    "plain": {"factor_interval": 1},
    "between refreshes": {"factor_interval": 4},
    "inverses behind factors": {"factor_interval": 2, "inverse_interval": 5},
    "last batch alone": {"factor_interval": 3, "factor_decay": 0.0},
    "drawn labels": {"factor_interval": 1, "curvature": "fisher"},
    "functions": {
        "factor_interval": lambda step: 1 + step // 2,
        "damping": lambda step: 0.1 / (1 + step),
    },
    "ekfac": {"factor_interval": 3, "inversion": "ekfac"},
}


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("name", STATES)
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(name, steps):
    options = {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3}
    options |= {"damping": 0.05, **STATES[name]}
    batches = [images() for _ in range(steps + 6)]
    whole, first = twins()
    expected = train(KFAC(whole, **options), whole, batches)
    optimizer = KFAC(first, **options)
    train(optimizer, first, batches[:steps])
    state = through_a_file({
        "model": first.state_dict(),
        "kfac": optimizer.state_dict(),
    })
    second = convolutional()
    second.load_state_dict(state["model"])
    resumed = KFAC(second, **options)
    resumed.load_state_dict(state["kfac"])
    got = train(resumed, second, batches[steps:])
    for mine, truth in zip(got, expected[steps:], strict=True):
        close(mine, truth, rtol=0, atol=0)


def test_a_state_may_be_loaded_in_the_middle_of_another_run():
    one, other = twins()
    batches = [images() for _ in range(6)]
    first, second = KFAC(one, 0.1, **SETTINGS), KFAC(other, 0.1, **SETTINGS)
    train(first, one, batches[:3])
    train(second, other, [images() for _ in range(2)])
    F.cross_entropy(other(images()[0]), images()[1]).backward()  # never stepped
    other.load_state_dict(one.state_dict())
    second.load_state_dict(through_a_file(first.state_dict()))
    expected = train(first, one, batches[3:])
    got = train(second, other, batches[3:])
    for mine, truth in zip(got, expected, strict=True):
        close(mine, truth, rtol=0, atol=0)


def test_a_state_of_another_model_or_optimizer_is_refused_and_changes_nothing():
    model, other = (
        convolutional(),
        nn.Sequential(nn.Flatten(), Scale(32), nn.Linear(32, 3)),
    )
    one, two = KFAC(model, 0.1, **SETTINGS), KFAC(other, 0.1, **SETTINGS)
    train(one, model, [images()])
    train(two, other, [images()])
    state = copy.deepcopy(one.state_dict())
    with pytest.raises(ValueError, match="must"):
        one.load_state_dict(two.state_dict())
    sgd = torch.optim.SGD(model.parameters(), 0.1)
    with pytest.raises(
        ValueError, match=r"^state_dict must be of a KFAC, got one without"
    ):
        one.load_state_dict(sgd.state_dict())
    after = one.state_dict()
    assert str(after) == str(state)


def test_copies_of_the_optimizer_are_refused_and_of_the_model_are_plain():
    model, (x, y) = convolutional(), images()
    kfac = KFAC(model, 0.1, **SETTINGS)
    for copied in (copy.deepcopy, copy.copy, pickle.dumps):
        for each in (kfac, kfac.preconditioner):
            with pytest.raises(
                TypeError, match=r"cannot be copied or pickled: make ano"
            ):
                copied(each)
    average = torch.optim.swa_utils.AveragedModel(model)
    train(kfac, model, [(x, y)])
    average.update_parameters(model)
    close(average.module(x), model(x))
    other = KFAC(copied := copy.deepcopy(model), 0.1, **SETTINGS)
    other.load_state_dict(through_a_file(kfac.state_dict()))
    batches = [images() for _ in range(3)]
    expected = train(kfac, model, batches)
    for mine, truth in zip(train(other, copied, batches), expected, strict=True):
        close(mine, truth, rtol=0, atol=0)

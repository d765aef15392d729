"""K-FAC with compiled models: they train as they were written."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.natural import close, convolutional, images, parameters_of
from vogn_app import KFAC, KroneckerPreconditioner

SETTINGS = {"damping": 0.05, "factor_interval": 3}


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def train(optimizer, model, batches):
    for x, y in batches:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        with torch.no_grad():
            model(x)


def twins():
    one, other = convolutional(), convolutional()
    other.load_state_dict(one.state_dict())
    return one, other


class Counted:
    """A backend that counts how often compiled code runs."""

    def __init__(self):
        self.runs = 0

    def __call__(self, graph, inputs):
        def run(*args):
            self.runs += torch.is_grad_enabled()
            return graph.forward(*args)

        return run


@pytest.mark.parametrize("curvature", ["empirical", "exact"])
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_compiled_model_trains_as_the_plain_one(backend, curvature):
    plain, wrapped = twins()
    batches = [images() for _ in range(5)]
    train(KFAC(plain, 0.1, curvature=curvature, **SETTINGS), plain, batches)
    compiled = torch.compile(wrapped, backend=backend)
    kfac = KFAC(compiled, 0.1, curvature=curvature, **SETTINGS)
    assert set(kfac.preconditioner.coverage()) == set(plain.state_dict())
    train(kfac, compiled, batches)
    close(parameters_of(wrapped), parameters_of(plain))


def test_between_refreshes_compiled_code_runs_in_one_graph():
    model, counted = convolutional(), Counted()
    compiled = torch.compile(model, backend=counted, fullgraph=True)
    kfac = KFAC(compiled, 0.1, **SETTINGS)
    runs = []
    for _ in range(7):
        x, y = images()
        kfac.zero_grad()
        F.cross_entropy(compiled(x), y).backward()
        kfac.step()
        runs.append(counted.runs)
    assert runs == [0, 1, 2, 2, 3, 4, 4]


@pytest.mark.parametrize("make", [KFAC, KroneckerPreconditioner])
def test_a_model_that_is_compiled_later_has_statistics_too(make):
    model, (x, y) = convolutional(), images()
    made = make(model, **SETTINGS)
    compiled = torch.compile(model, backend="eager")
    F.cross_entropy(compiled(x), y).backward()
    made.step()
    preconditioner = getattr(made, "preconditioner", made)
    assert len(preconditioner.factors()) == 8


def test_a_model_that_is_compiled_in_place_trains_as_the_plain_one():
    plain, other = twins()
    batches = [images() for _ in range(4)]
    train(KFAC(plain, 0.1, **SETTINGS), plain, batches)
    kfac = KFAC(other, 0.1, **SETTINGS)
    other.compile(backend="eager")
    train(kfac, other, batches)
    close(parameters_of(other), parameters_of(plain))


def test_a_compiled_layer_within_a_model_is_measured():
    inner = torch.compile(nn.Linear(3, 3), backend="eager")
    model, x = nn.Sequential(inner, nn.Tanh(), nn.Linear(3, 2)), torch.randn(5, 3)
    inner(x)
    made = KroneckerPreconditioner(model, factor_interval=1)
    F.cross_entropy(model(x), torch.randint(2, (5,))).backward()
    made.step()
    assert len(made.factors()) == 4


def test_other_models_stay_compiled_once_an_optimizer_is_gone():
    counted = Counted()
    other = torch.compile(nn.Linear(3, 3), backend=counted)
    model = convolutional()
    kfac = KFAC(model, 0.1, **SETTINGS)
    train(kfac, model, [images()])
    del kfac
    other(torch.randn(2, 3))
    assert counted.runs == 1

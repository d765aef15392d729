"""Tests of the methods: how each learns a task, and what it keeps of it."""

import pytest
import torch

from data.loaders import load_dataset
from tests.trainers.continual.examples import settings
from trainers.continual.learners import LEARNERS, Learner, build_network
from trainers.continual.settings import METHODS
from trainers.continual.tasks import TaskStream
from trainers.predict import DivergedError
from vogn_app import GaussianPosterior


@pytest.fixture(scope="module")
def data():
    return load_dataset("digits")


@pytest.fixture
def make(data):
    """A learner by name, on a stream of its own."""

    def made(name, **others):
        given = settings(**others)
        return LEARNERS[name](TaskStream(data, given, torch.device("cpu")), given)

    return made


def learn(learner: Learner, *tasks):
    steps, epochs = [], []
    for task in tasks:
        learner.learn(task, lambda: steps.append(1), lambda *told: epochs.append(told))
    return len(steps), epochs


def weights(learner):
    return torch.cat([p.detach().flatten() for p in learner.model.parameters()])


def test_there_is_a_learner_for_every_method():
    assert list(LEARNERS) == list(METHODS)


def test_the_network_has_the_hidden_layers_asked_for():
    model = build_network(5, (4, 3), 2)
    shapes = [tuple(p.shape) for p in model.parameters() if p.ndim == 2]
    assert shapes == [(4, 5), (3, 4), (2, 3)]
    assert model(torch.zeros(1, 5)).shape == (1, 2)


@pytest.mark.parametrize("name", METHODS)
def test_all_begin_alike_and_leave_torchs_generator_alone(make, name):
    before = torch.get_rng_state()
    learner = make(name)
    assert torch.equal(weights(learner), weights(make("adamw")))
    assert not torch.equal(weights(learner), weights(make(name, seed=1)))
    learn(learner, 0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", METHODS)
def test_it_tells_of_each_step_and_epoch(make, name):
    learner = make(name, epochs=2)
    steps, epochs = learn(learner, 0, 1)
    assert steps == learner.num_steps(0) + learner.num_steps(1)
    assert learner.num_steps(1) == (12 if name == "joint" else 6)
    assert [epoch for epoch, *_ in epochs] == [0, 1, 0, 1]
    assert all(loss > 0 and 0 <= accuracy <= 1 for _, loss, accuracy in epochs)
    if name != "vogn":  # whose noise is most of its loss at the start
        assert epochs[1][1] < epochs[0][1]
    assert 0 <= learner.accuracy(0) <= 1


@pytest.mark.parametrize("name", METHODS)
def test_what_it_keeps_goes_on_to_the_same_weights(make, name, tmp_path):
    straight, broken, resumed = (make(name, tasks=3) for _ in range(3))
    learn(straight, 0, 1, 2)
    learn(broken, 0, 1)
    path = tmp_path / f"kept{broken.suffix}"
    broken.save(path)
    resumed.load(path)
    learn(resumed, 2)
    assert torch.equal(weights(resumed), weights(straight))


def test_the_first_task_is_learned_alike_with_and_without_a_penalty(make):
    plain, consolidated = make("adamw"), make("ewc")
    learn(plain, 0)
    learn(consolidated, 0)
    torch.testing.assert_close(weights(plain), weights(consolidated))


@pytest.mark.parametrize("name", ["ewc", "vogn"])
def test_a_strong_pull_holds_the_weights_that_count(make, name):
    moved = []
    for strength in (1e-6, 100.0):
        learner = make(name, ewc_strength=strength, prior_strength=strength, epochs=4)
        learn(learner, 0)
        before = weights(learner)
        learn(learner, 1)
        off = (weights(learner) - before).square()
        moved.append(off[first_to_hold(make)].sum())
    assert moved[1] < moved[0] / 3


def first_to_hold(make):
    """The tenth of the weights that the first task determines best."""
    learner = make("ewc", epochs=4)
    learn(learner, 0)
    fisher = torch.cat([f.flatten() for f in learner.penalty.fisher.values()])
    return fisher.argsort(descending=True)[: len(fisher) // 10]


def test_the_posterior_is_handed_on_colder_and_without_damping(make):
    own = {"temperature": 0.5, "damping": 0.1, "lr": 0.01, "initial_curvature": 0.1}
    precisions = {}
    for strength in (1.0, 4.0):
        learner = make("vogn", prior_strength=strength, vogn=own)
        learn(learner, 0)
        assert isinstance(learner.posterior, GaussianPosterior)
        assert learner.posterior.metadata["temperature"] == 0.5 / strength
        precisions[strength] = learner.posterior.precision["0.weight"]
    prior = 120 / 1200  # "auto"
    torch.testing.assert_close(
        precisions[4.0] - prior, 4 * (precisions[1.0] - prior), rtol=1e-4, atol=1e-4
    )


def test_a_loss_that_is_not_finite_ends_it(make):
    learner = make("adamw")
    with torch.no_grad():
        learner.model[0].weight.fill_(float("nan"))
    with pytest.raises(DivergedError, match="loss diverged in task 1"):
        learn(learner, 0)

"""SP-NGD in one process: stale statistics, the refresh rule at work, its state."""

import copy

import pytest
import torch
from sklearn.datasets import make_moons
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.natural import close, convolutional, images, parameters_of
from vogn_app import KFAC, SPNGD
from vogn_app.curvature.kronecker.blocks import INPUTS
from vogn_app.optim.sp_ngd import StalePreconditioner


def step(optimizer, model, x, y):
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()


def twins():
    one, other = convolutional(), convolutional()
    other.load_state_dict(one.state_dict())
    return one, other


@pytest.mark.parametrize("decay", [0.0, 0.8])
def test_staleness_zero_is_k_fac_that_refreshes_always(decay):
    ours, theirs = twins()
    stale = SPNGD(ours, 0.1, staleness=0.0, factor_decay=decay)
    fresh = KFAC(theirs, 0.1, factor_interval=1, factor_decay=decay)
    for _ in range(5):
        batch = images()
        step(stale, ours, *batch)
        step(fresh, theirs, *batch)
        close(parameters_of(ours), parameters_of(theirs))
    assert stale.figures()["refreshed_share"] == 1.0


def refreshes(model, batches, staleness, decay, lr=1e-9):
    """Steps at which the first layer's A was refreshed."""
    optimizer, result = SPNGD(model, lr, staleness=staleness, factor_decay=decay), []
    for number, batch in enumerate(batches):
        if ("0", INPUTS) in optimizer.preconditioner._due:
            result.append(number)
        step(optimizer, model, *batch)
    return result


@pytest.mark.parametrize("decay", [0.0, 0.8])
def test_what_does_not_change_is_refreshed_after_1_1_2_3_5_steps(decay):
    found = refreshes(convolutional(), [images()] * 22, 0.1, decay)
    assert found == [0, 1, 2, 4, 7, 12, 20]


@pytest.mark.parametrize("decay", [0.0, 0.99])
def test_a_change_halves_the_interval(decay):
    """Batches are compared with each other, whatever is averaged."""
    x, y = images()
    # Intervals 1, 1, 2, 3, 5; the input changes after step 8, is seen at step 12, where
    # the next is 5 // 2 = 2; then it is near the last one only (2), then both (4).
    batches = [(x, y)] * 9 + [(3 * x, y)] * 16
    found = refreshes(convolutional(), batches, 0.1, decay)
    assert found == [0, 1, 2, 4, 7, 12, 14, 16, 20]


def test_each_statistic_has_an_interval_of_its_own():
    """Inputs that stay let A of the first layer rest, while gradients change."""
    model, (x, _) = convolutional(), images()
    optimizer = SPNGD(model, 1e-9, staleness=0.1)
    for _ in range(12):
        step(optimizer, model, x, torch.randint(3, (len(x),)))
    intervals = optimizer.preconditioner._state.plan._last
    assert intervals["0", "inputs"][0] > intervals["0", "outputs"][0]
    assert 0 < optimizer.figures()["refreshed_share"] < 1


def test_a_step_that_refreshes_nothing_has_no_hooks():
    model, batch = convolutional(), images()
    optimizer = SPNGD(model, 1e-9, staleness=0.5)
    for _ in range(5):  # refreshes at 0, 1, 2 and 4; the next comes at 7
        step(optimizer, model, *batch)
    assert optimizer.preconditioner._due == []
    layers = [module for module in model.modules() if module is not model]
    kept = set(optimizer.preconditioner._kept())
    for name, module in model.named_modules():
        if module in layers and name not in kept:
            assert not module._forward_hooks


def test_a_resumed_run_goes_the_same_way():
    ours, theirs = twins()
    batches = [images() for _ in range(2)] * 8
    one = SPNGD(ours, 0.02, staleness=0.3)
    for batch in batches[:7]:
        step(one, ours, *batch)
    saved = copy.deepcopy((ours.state_dict(), one.state_dict()))
    other = SPNGD(theirs, 0.02, staleness=0.3)
    theirs.load_state_dict(saved[0])
    other.load_state_dict(saved[1])
    for batch in batches[7:]:  # the first of these refreshes but a part
        step(one, ours, *batch)
        step(other, theirs, *batch)
    close(parameters_of(theirs), parameters_of(ours), rtol=0, atol=0)
    assert other.figures() | {"inverse_seconds": 0} == one.figures() | {
        "inverse_seconds": 0
    }


@pytest.mark.parametrize(
    ("name", "options"),
    [("staleness", {"staleness": -0.1}), ("damping", {"damping": 0.0}),
     ("factor_decay", {"factor_decay": 1.0}), ("kl_clip", {"kl_clip": 0.0}),
     ("lr", {"lr": -1.0})],
)  # fmt: skip
def test_a_wrong_setting_is_named(name, options):
    with pytest.raises(ValueError, match=rf"^{name} must be "):
        SPNGD(nn.Linear(2, 2), **options)


def test_the_state_of_another_optimizer_is_refused():
    model = nn.Linear(2, 2)
    sgd = torch.optim.SGD(model.parameters(), 0.1)
    with pytest.raises(ValueError, match=r"^state_dict must be of a SPNGD, got"):
        SPNGD(model).load_state_dict(sgd.state_dict())


def test_alone_there_is_nothing_to_consolidate():
    model = nn.Linear(2, 2)
    optimizer = SPNGD(model)
    optimizer.consolidate_state_dict()
    assert "preconditioner" in optimizer.state_dict()


def test_the_state_of_k_fac_is_refused_and_nothing_is_lost():
    ours, theirs = twins()
    optimizer, other = SPNGD(ours, 0.02), KFAC(theirs, 0.02)
    step(optimizer, ours, *images())
    before = copy.deepcopy(optimizer.state_dict())
    step(other, theirs, *images())
    for one, state in ((optimizer, other), (other, optimizer)):
        with pytest.raises(
            ValueError, match=r"^state_dict must be of a .*, got one of a "
        ):
            one.load_state_dict(state.state_dict())
    after = optimizer.state_dict()
    assert after["preconditioner"]["num_steps"] == 1
    for name, factor in before["preconditioner"]["factors"].items():
        now = after["preconditioner"]["factors"][name]
        assert torch.equal(now["value"], factor["value"])


def test_the_decay_of_stale_statistics_has_no_other_default():
    with pytest.raises(TypeError, match="factor_decay"):
        StalePreconditioner(nn.Linear(2, 2), 0.1)


@pytest.mark.parametrize("seed", range(3))
def test_small_batches_train_with_the_defaults(seed):
    """Half the loss of a coin at most; with statistics of one batch it diverged."""
    inputs, labels = make_moons(1000, noise=0.2, random_state=0)
    x, y = torch.tensor(inputs, dtype=torch.float32), torch.tensor(labels)
    torch.manual_seed(seed)
    with torch.random.fork_rng():
        model = nn.Sequential(
            nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2)
        ).float()
    optimizer = SPNGD(model)
    for _ in range(200):
        rows = torch.randint(len(x), (32,))
        step(optimizer, model, x[rows], y[rows])
    assert F.cross_entropy(model(x), y) < 0.35

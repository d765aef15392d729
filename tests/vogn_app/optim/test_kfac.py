"""K-FAC is a preconditioner and SGD; closures, trust region, figures."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.natural import (
    Prefixed,
    backward,
    close,
    convolutional,
    gradients_of,
    images,
    parameters_of,
    train,
)
from vogn_app import KFAC, KroneckerPreconditioner

SETTINGS = {"damping": 0.05, "factor_interval": 2, "factor_decay": 0.8}


def twins():
    one, other = convolutional(), convolutional()
    other.load_state_dict(one.state_dict())
    return one, other


@pytest.mark.parametrize(
    "options",
    [
        {"momentum": 0.0},
        {"momentum": 0.9},
        {"momentum": 0.9, "nesterov": True},
        {"momentum": 0.9, "weight_decay": 0.1},
        {"momentum": 0.5, "nesterov": True, "weight_decay": 0.1},
        {"momentum": 0.0, "weight_decay": 0.1},
    ],
)
def test_kfac_is_a_preconditioner_before_sgd(options):
    ours, theirs = twins()
    kfac = KFAC(ours, 0.1, kl_clip=None, **options, **SETTINGS)
    sgd = torch.optim.SGD(theirs.parameters(), 0.1, **options)
    preconditioner = KroneckerPreconditioner(theirs, **SETTINGS)
    for _ in range(5):
        x, y = images()
        train(kfac, ours, [(x, y)])
        sgd.zero_grad()
        F.cross_entropy(theirs(x), y).backward()
        preconditioner.step()
        sgd.step()
        close(parameters_of(ours), parameters_of(theirs))


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("kappa", [1e6, 3e-3])
def test_the_trust_region_is_of_the_step_with_its_momentum(kappa, nesterov):
    """<u, F u> of the step u; w = F v is summed from gradients as v is from natural."""
    model = convolutional()
    options = {**SETTINGS, "factor_interval": 100, "nesterov": nesterov}
    kfac = KFAC(model, 0.1, momentum=0.8, kl_clip=kappa, **options)
    w, scaled = dict.fromkeys(parameters_of(model), 0.0), 0
    for _ in range(6):
        before = parameters_of(model)
        backward(model, *images())
        gradients = gradients_of(model)
        kfac.step()
        steps = {k: (before[k] - p) / 0.1 for k, p in parameters_of(model).items()}
        w = {k: 0.8 * w[k] + gradients[k] for k in w}
        ahead = {k: gradients[k] + 0.8 * w[k] for k in w} if nesterov else w
        free = kfac.preconditioner.precondition(ahead)  # u without this step's factor
        change = sum((free[k] * ahead[k]).sum() for k in w)
        factor = (kappa / (0.01 * change)).sqrt().clamp(max=1)
        scaled += bool(factor < 1)
        close(steps, {k: factor * u for k, u in free.items()})
        w = {k: factor * v for k, v in w.items()}
        velocity = kfac.preconditioner.precondition(w)
        known = sum((velocity[k] * w[k]).sum() for k in w)
        close(kfac.state_dict()["changes"].sum(), known)
    assert (scaled > 0) == (kappa < 1)


def test_a_closure_gives_the_loss():
    ours, theirs = twins()
    x, y = images()
    one, other = KFAC(ours, 0.1, **SETTINGS), KFAC(theirs, 0.1, **SETTINGS)

    def closure():
        one.zero_grad()
        loss = F.cross_entropy(ours(x), y)
        loss.backward()
        return loss

    loss = one.step(closure)
    train(other, theirs, [(x, y)])
    assert loss.item() > 0
    close(parameters_of(ours), parameters_of(theirs), rtol=0, atol=0)


def test_gradients_are_left_as_they_are():
    """Also those of parameters without a block, with decay and clipping."""
    model = Prefixed()
    with pytest.warns(UserWarning, match="token"):
        kfac = KFAC(model, 0.1, weight_decay=0.1, kl_clip=1e-6)
    for _ in range(3):
        backward(model, torch.randn(6, 4), torch.randint(3, (6,)))
        before = gradients_of(model)
        kfac.step()
        close(gradients_of(model), before, rtol=0, atol=0)


def test_parameters_without_a_gradient_stay():
    model = nn.ModuleDict({"used": nn.Linear(3, 3), "unused": nn.Linear(3, 3)})
    model.forward = lambda x: model["used"](x)
    kfac = KFAC(model, 0.1, weight_decay=0.1)
    before = parameters_of(model)
    train(kfac, model, [(torch.randn(6, 3), torch.randint(3, (6,)))])
    after = parameters_of(model)
    changed = {k for k in before if not torch.equal(before[k], after[k])}
    assert changed == {"used.weight", "used.bias"}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lr", {"lr": -0.1}),
        ("momentum", {"momentum": 1.0}),
        ("momentum", {"momentum": 0.0, "nesterov": True}),
        ("weight_decay", {"weight_decay": -1.0}),
        ("damping", {"damping": 0.0}),
    ],
)
def test_a_wrong_setting_is_named(name, options):
    with pytest.raises(ValueError, match=rf"^{name} must be "):
        KFAC(nn.Linear(2, 2), **options)


def test_many_small_layers_in_half_precision_all_count_in_the_trust_region():
    model = nn.ModuleList(nn.Linear(8, 8, bias=False) for _ in range(600))
    model = model.to(torch.bfloat16)
    optimizer = KFAC(model, kl_clip=1e-6, momentum=0.0)
    names = optimizer.preconditioner.parameters
    gradients = {name: torch.randn(8, 8).to(torch.bfloat16) for name in names}
    natural = {name: 0.01 * gradient for name, gradient in gradients.items()}
    product = sum((natural[n].double() * gradients[n].double()).sum() for n in names)
    expected = (1e-6 / (0.1**2 * product)).sqrt()
    factor = optimizer._factor(gradients, natural).double()
    torch.testing.assert_close(factor, expected, rtol=1e-5, atol=0)


def test_a_model_that_moves_is_an_error_that_says_so():
    model = nn.Linear(3, 3).double()
    kfac = KFAC(model.float(), 0.1)
    batch = torch.randn(6, 3).double(), torch.randint(3, (6,))
    model.double()  # before the first step it may
    train(kfac, model, [batch])
    before = parameters_of(model)
    backward(model.float(), batch[0].float(), batch[1])
    with pytest.raises(RuntimeError, match=r"^the model must keep its type and device"):
        kfac.step()
    close(parameters_of(model.double()), before, rtol=1e-6)


def test_it_learns():
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    x = torch.randn(256, 2)
    y = (x.prod(1) > 0).long()
    kfac = KFAC(model, 0.1, momentum=0.9, factor_interval=1)
    train(kfac, model, [(x, y)] * 40)
    assert (model(x).argmax(1) == y).double().mean() > 0.97


# --- figures -----------------------------------------------------------------------


def test_figures_tell_what_was_refreshed_since_they_were_last_asked():
    model = convolutional()
    kfac = KFAC(model, 0.1, damping=0.3, factor_interval=4, inverse_interval=8)
    train(kfac, model, [images() for _ in range(4)])
    figures = kfac.figures()
    assert figures.pop("inverse_seconds") > 0
    assert figures == {
        "damping": 0.3, "factor_interval": 4.0, "inverse_interval": 8.0,
        "refreshed_share": 0.25,
    }  # fmt: skip
    train(kfac, model, [images() for _ in range(2)])
    assert kfac.figures()["refreshed_share"] == 0.5
    assert kfac.figures()["refreshed_share"] == 0.0

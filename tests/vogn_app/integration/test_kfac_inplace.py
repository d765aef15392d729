"""Natural gradients of models that change activations in place."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.natural import close, parameters_of, train
from vogn_app import KFAC, SPNGD, NoisyKFAC


class Residual(nn.Module):
    """What layers give, and what they were given, is changed once they are through."""

    def __init__(self, in_place):
        super().__init__()
        self.first, self.norm = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.second, self.head = nn.Conv2d(4, 4, 3, padding=1), nn.Linear(64, 3)
        self.in_place = in_place

    def forward(self, x):
        if not self.in_place:
            x = F.leaky_relu(self.norm(self.first(x)), 0.1)
            x = F.relu(self.second(x) + x)
            return torch.tanh(0.5 * self.head(x.flatten(1)))
        x = F.leaky_relu_(self.norm(self.first(x)), 0.1)
        y = self.second(x)
        y += x
        return self.head(y.relu_().flatten(1)).mul_(0.5).tanh_()


METHODS = {
    "cholesky": lambda model: KFAC(model, factor_interval=2),
    "ekfac": lambda model: KFAC(model, factor_interval=2, inversion="ekfac"),
    "fisher": lambda model: KFAC(model, factor_interval=2, curvature="fisher"),
    "exact": lambda model: KFAC(model, factor_interval=2, curvature="exact"),
    "layer": lambda model: KFAC(model, factor_interval=2, shape="layer"),
    "sp_ngd": SPNGD,
    "noisy": lambda model: NoisyKFAC(model, num_data=20, automatic=True),
}


@pytest.mark.parametrize("name", METHODS)
def test_what_is_changed_in_place_changes_nothing_else(name):
    batches = [
        (torch.randn(5, 2, 4, 4), torch.randint(3, (5,))) for _ in range(4)
    ]  # fmt: skip
    models = Residual(in_place=False), Residual(in_place=True)
    models[1].load_state_dict(models[0].state_dict())
    before = parameters_of(models[0])
    for model in models:
        train(METHODS[name](model), model, batches)
    plain, in_place = map(parameters_of, models)
    close(in_place, plain)
    assert not any(torch.equal(plain[name], before[name]) for name in before)

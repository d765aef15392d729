"""Small networks and posteriors for the tests."""

import torch
from torch import nn

from vogn_app.posterior import GaussianPosterior


def posterior_of(model, seed=1, prior_precision=2.0, silent=()):
    """A posterior around what a model holds, with precisions in [10, 1000)."""
    generator = torch.Generator().manual_seed(seed)
    precision = {
        name: 10 + 990 * torch.rand(p.shape, generator=generator, dtype=p.dtype)
        for name, p in model.named_parameters()
        if name not in silent
    }
    return GaussianPosterior.from_model(
        model,
        precision,
        prior_precision=dict.fromkeys(precision, prior_precision),
        metadata={"num_data": 100, "temperature": 0.5, "version": "1"},
    )


def mlp():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


def convnet():
    """Convolution, BatchNorm with statistics of its own, dropout."""
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(0.5),
        nn.Flatten(), nn.Linear(4 * 16, 3),
    )  # fmt: skip
    with torch.no_grad():
        model(torch.randn(16, 1, 6, 6))  # moves the running statistics
    return model


class Tied(nn.Module):
    """One tensor under two names, and a parameter without dimensions."""

    def __init__(self):
        super().__init__()
        self.encode = nn.Linear(4, 4, bias=False)
        self.decode = nn.Linear(4, 4)
        self.decode.weight = self.encode.weight
        self.scale = nn.Parameter(torch.tensor(1.5))

    def forward(self, x):
        return self.scale * self.decode(self.encode(x).tanh())


class Recurrent(nn.Module):
    """vmap has no rule for it."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(4, 3, batch_first=True)

    def forward(self, x):
        return self.lstm(x)[0][:, -1]


def tensors_of(model):
    """Copies of everything a model holds."""
    return {name: t.detach().clone() for name, t in model.state_dict().items()}


def assert_same(ours, theirs):
    """The same names, types and bits."""
    assert list(ours) == list(theirs)
    for name, tensor in ours.items():
        assert tensor.dtype == theirs[name].dtype
        assert torch.equal(tensor, theirs[name]), name

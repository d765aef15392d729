"""Statistics and natural gradients against those of curvlinops."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.natural import DAMPING, close, natural_of
from vogn_app import Gaussian

N = 7
oracle = pytest.importorskip("curvlinops")


class Tokens(nn.Module):
    """Linear layers on tokens, averaged in between."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 5), nn.Linear(5, 4)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.second(self.first(x).tanh()).tanh().mean(1))


NETWORKS = {
    "linear": (
        lambda: nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 3)), (3,),
    ),
    "tokens": (Tokens, (4, 3)),
    "conv": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1, stride=2), nn.ReLU(),
            nn.Conv2d(4, 3, 2, dilation=1), nn.Flatten(), nn.Linear(12, 3),
        ),
        (2, 6, 5),
    ),
    "without bias": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 3, 2, bias=False), nn.Sigmoid(), nn.Flatten(),
            nn.Linear(12, 3, bias=False),
        ),
        (2, 3, 3),
    ),
}  # fmt: skip
# Loss, curvature and likelihood of ours; loss and type of Fisher of theirs.
CASES = {
    "empirical": (F.cross_entropy, {}, nn.CrossEntropyLoss, "empirical"),
    "categorical": (
        F.cross_entropy, {"curvature": "exact"}, nn.CrossEntropyLoss, "type-2",
    ),
    "bernoulli": (
        F.binary_cross_entropy_with_logits,
        {"curvature": "exact", "likelihood": "bernoulli"},
        nn.BCEWithLogitsLoss,
        "type-2",
    ),
    "gaussian": (
        F.mse_loss,
        {"curvature": "exact", "likelihood": Gaussian(variance=1.5)},
        nn.MSELoss,
        "type-2",
    ),
}  # fmt: skip


def labels_of(loss):
    if loss is F.cross_entropy:
        return torch.randint(3, (N,))
    numbers = torch.randn(N, 3)
    return (
        (numbers > 0).double()
        if loss is F.binary_cross_entropy_with_logits
        else numbers
    )


def theirs(model, loss, x, y, fisher, sharing):
    return oracle.KFACLinearOperator(
        model, loss(), list(model.parameters()), [(x, y)], fisher_type=fisher,
        kfac_approx=sharing, separate_weight_and_bias=False, check_deterministic=False,
    )  # fmt: skip


@pytest.mark.parametrize("sharing", ["expand", "reduce"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", NETWORKS)
def test_factors_and_natural_gradients_are_those_of_curvlinops(name, case, sharing):
    make, shape = NETWORKS[name]
    loss, options, their_loss, fisher = CASES[case]
    model, x, y = make(), torch.randn(N, *shape), labels_of(loss)
    operator = theirs(model, their_loss, x, y, fisher, sharing)
    operator.compute_kronecker_factors()
    natural, gradients, made = natural_of(
        model, lambda: loss(model(x), y).backward(), sharing=sharing, **options
    )
    own = {key: moment.matrix()[0] for key, moment in made.factors().items()}
    for layer, a in operator._input_covariances.items():
        close(own[layer, "inputs"], a)
        close(own[layer, "outputs"], operator._gradient_covariances[layer])
    vector = [gradients[k] for k, _ in model.named_parameters()]
    names = [k for k, _ in model.named_parameters()]
    inverse = oracle.KFACInverseLinearOperator(
        operator, damping=DAMPING, use_heuristic_damping=True
    )
    close(natural, dict(zip(names, inverse @ vector, strict=True)))
    exact = oracle.KFACInverseLinearOperator(
        operator, damping=DAMPING, use_exact_damping=True
    )
    run = lambda: loss(model(x), y).backward()  # noqa: E731
    options = {"sharing": sharing, "inversion": "eigen", **options}
    natural, *_ = natural_of(model, run, **options)
    close(natural, dict(zip(names, exact @ vector, strict=True)))


@pytest.mark.parametrize("case", CASES)
def test_a_vector_of_one_s_own_is_multiplied_by_the_same_inverse(case):
    loss, options, their_loss, fisher = CASES[case]
    model, x, y = NETWORKS["conv"][0](), torch.randn(N, 2, 6, 5), labels_of(loss)
    operator = theirs(model, their_loss, x, y, fisher, "expand")
    operator.compute_kronecker_factors()  # by hooks that would see our passes, too
    *_, made = natural_of(model, lambda: loss(model(x), y).backward(), **options)
    vector = {k: torch.randn_like(p) for k, p in model.named_parameters()}
    before = {k: v.clone() for k, v in vector.items()}
    inverse = oracle.KFACInverseLinearOperator(
        operator, damping=DAMPING, use_heuristic_damping=True
    )
    expected = inverse @ list(vector.values())
    close(made.precondition(vector), dict(zip(vector, expected, strict=True)))
    close(vector, before, rtol=0, atol=0)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", NETWORKS)
def test_ekfac_is_that_of_curvlinops(name, case):
    make, shape = NETWORKS[name]
    loss, options, their_loss, fisher = CASES[case]
    model, x, y = make(), torch.randn(N, *shape), labels_of(loss)
    operator = oracle.EKFACLinearOperator(
        model, their_loss(), list(model.parameters()), [(x, y)], fisher_type=fisher,
        separate_weight_and_bias=False, check_deterministic=False,
    )  # fmt: skip
    operator.compute_kronecker_factors()
    operator.compute_eigenvalue_correction()
    natural, gradients, _ = natural_of(
        model, lambda: loss(model(x), y).backward(), inversion="ekfac", **options
    )
    inverse = oracle.KFACInverseLinearOperator(
        operator, damping=DAMPING, use_exact_damping=True
    )
    expected = inverse @ [gradients[k] for k in natural]
    close(natural, dict(zip(natural, expected, strict=True)))

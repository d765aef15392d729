"""Steps of second-order optimizers from other packages, each imported when used.

    asdl_kfac     asdfghjkl: K-FAC with the empirical Fisher, unit-wise norm layers
    kfac_pytorch  gpauloski's kfac (not on PyPI), eigendecompositions
    singd         inverse-free K-FAC, dense
    shampoo       pytorch-optimizer's port of the distributed Shampoo, in one process
    soap          pytorch-optimizer's SOAP, eigenvectors by power iteration

Those that only precondition are followed by SGD with momentum, and SINGD leaves what it
does not know (norm layers, free parameters) to it. Settings are the packages' defaults
but for learning rate, damping and the interval, which is that of statistics and
inverses. They learn slowly: one batch that is seen again and again would make the
curvature vanish, and some of them then fail.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own idiom
from torch.optim import SGD, Optimizer

LR, MOMENTUM, DAMPING = 1e-4, 0.9, 1e-2
Step = Callable[[Tensor, Tensor], object]  # inputs, labels


def asdl_kfac_step(model: nn.Module, interval: int) -> Step:
    """K-FAC of ASDL, whose object runs forward and backward itself."""
    asdl = import_module("asdl")
    config = asdl.PreconditioningConfig(
        damping=DAMPING,
        preconditioner_upd_interval=interval,
        curvature_upd_interval=interval,
    )
    maker = asdl.KfacGradientMaker(model, config, fisher_type=asdl.FISHER_EMP)
    optimizer = momentum_sgd(model.parameters())

    def step(inputs: Tensor, labels: Tensor) -> None:
        optimizer.zero_grad()
        maker.config.data_size = len(inputs)  # what the sum of losses is divided by
        outputs = maker.setup_model_call(model, inputs)
        maker.setup_loss_call(F.cross_entropy, outputs, labels)
        maker.forward_and_backward()
        optimizer.step()

    return step


def kfac_pytorch_step(model: nn.Module, interval: int) -> Step:
    """K-FAC of kfac-pytorch."""
    preconditioner = import_module("kfac.preconditioner").KFACPreconditioner(
        model,
        factor_update_steps=interval,
        inv_update_steps=interval,
        damping=DAMPING,
        lr=LR,
    )
    return partial(train, model, momentum_sgd(model.parameters()), preconditioner.step)


def singd_step(model: nn.Module, interval: int) -> Step:
    """SINGD with dense factors, beside SGD for what it does not know."""
    kind = import_module("singd.optim.optimizer").SINGD
    optimizer = kind(model, lr=LR, damping=DAMPING, T=interval, warn_unsupported=False)
    known = {id(p) for group in optimizer.param_groups for p in group["params"]}
    others = [p for p in model.parameters() if id(p) not in known]
    rest = [momentum_sgd(others).step] if others else []
    return partial(train, model, optimizer, *rest)


def shampoo_step(model: nn.Module, interval: int) -> Step:
    """Shampoo with SGD's step lengths; inverse roots are renewed at the interval."""
    kind = import_module("pytorch_optimizer").ScalableShampoo
    optimizer = kind(
        model.parameters(),
        lr=LR,
        start_preconditioning_step=1,
        preconditioning_compute_steps=interval,
    )
    return partial(train, model, optimizer)


def soap_step(model: nn.Module, interval: int) -> Step:
    """SOAP, whose eigenvectors are renewed at the interval."""
    kind = import_module("pytorch_optimizer").SOAP
    optimizer = kind(model.parameters(), lr=LR, precondition_frequency=interval)
    return partial(train, model, optimizer)


def train(model: nn.Module, optimizer: Optimizer, *args: Any) -> None:
    """A step: the gradient, what comes before the update, and the update."""
    *others, inputs, labels = args
    model.zero_grad()
    F.cross_entropy(model(inputs), labels).backward()
    for other in others:
        other()
    optimizer.step()


def momentum_sgd(parameters: Any) -> SGD:
    """SGD with momentum."""
    return SGD(parameters, lr=LR, momentum=MOMENTUM)

"""The ten lines that put an optimizer into a training loop, with the values chosen.

Pure: an optimizer and its hyper-parameters go in, code comes out. `tests` runs every
one of them.
"""

from collections.abc import Callable

from trainers.hyperparameters import OptimizerSpec
from trainers.parcel.frameworks import accelerate, hugging_face, lightning
from trainers.parcel.pieces import (
    FUNCTIONAL,
    LOADER,
    SUM,
    Snippet,
    Values,
    imports,
    joined,
    needs,
    prediction,
)
from trainers.parcel.settings import call, constructor, has_posterior, written

__all__ = [
    "IN_FRONT", "PLAIN", "Snippet", "in_front", "plain_loop", "snippets", "step_lines",
]  # fmt: skip

PLAIN, IN_FRONT = "PyTorch", "In front of another"
_OF_SGD = ("lr", "momentum", "nesterov", "weight_decay")
_OF_CURVATURE = (
    "damping", "factor_interval", "factor_decay", "inverse_interval", "inversion",
    "curvature", "sharing",
)  # fmt: skip


def snippets(spec: OptimizerSpec, values: Values) -> list[Snippet]:
    """All code for an optimizer.

    Args:
        spec: The optimizer.
        values: Hyper-parameters by name; those that are missing have their default.

    Returns:
        The plain loop first.

    Raises:
        ValueError: If a name is unknown or a value out of range.
    """
    kinds: list[Callable[[OptimizerSpec, Values], Snippet]] = [
        plain_loop, lightning, hugging_face, accelerate,
    ]  # fmt: skip
    if spec.name == "kfac":
        kinds.append(in_front)
    return [kind(spec, values) for kind in kinds]


def plain_loop(spec: OptimizerSpec, values: Values) -> Snippet:
    """A loop of one's own, with torch alone."""
    lines = [
        *imports(spec, FUNCTIONAL),
        constructor(spec, values, num_data="len(loader.dataset)"),
        "for epoch in range(10):",
        "    for inputs, labels in loader:",
        *step_lines(spec, values, indent=8),
        "",
        *prediction(spec, values),
    ]
    return Snippet(
        title=PLAIN, code=joined(lines), yours=LOADER, needs=needs(spec), note=SUM
    )


def step_lines(
    spec: OptimizerSpec,
    values: Values,
    indent: int = 0,
    loss: str = "F.cross_entropy(model(inputs), labels)",
) -> list[str]:
    """One step in a loop of one's own.

    Args:
        spec: The optimizer.
        values: Its hyper-parameters.
        indent: Spaces before each line.
        loss: The expression of which `backward` is called.

    Returns:
        Lines of code.
    """
    backward = f"{loss}.backward()"
    if not spec.bayesian:
        lines = ["optimizer.zero_grad()", backward, "optimizer.step()"]
        return [" " * indent + line for line in lines]
    draws = spec.validated(values)["num_samples"]
    drawn = has_posterior(spec, values)
    told = "draws the weights" if drawn else "at the mean"
    block = [f"with optimizer.sampled_params(train=True):  # {told}", f"    {backward}"]
    if draws != 1:
        block = [f"for _ in range({draws}):", *(f"    {line}" for line in block)]
    return [" " * indent + line for line in (*block, "optimizer.step()")]


def in_front(spec: OptimizerSpec, values: Values) -> Snippet:
    """K-FAC's curvature in front of any optimizer, here SGD."""
    found = spec.validated(values)
    sgd = {name: found[name] for name in _OF_SGD}
    given = [f"{name}={written(value)}" for name, value in sgd.items() if value]
    own = _of_curvature(found, spec.defaults())
    lines = [
        "import torch",
        FUNCTIONAL,
        "from vogn_app import KroneckerPreconditioner",
        "",
        call("optimizer = torch.optim.SGD", ["model.parameters()", *given]),
        call("preconditioner = KroneckerPreconditioner", ["model", *own]),
        "for epoch in range(10):",
        "    for inputs, labels in loader:",
        "        optimizer.zero_grad()",
        "        F.cross_entropy(model(inputs), labels).backward()",
        "        preconditioner.step()  # gradients become natural gradients",
        "        optimizer.step()",
        "",
        *prediction(spec, values),
    ]
    return Snippet(
        title=IN_FRONT, code=joined(lines), yours=LOADER,
        note="In place of SGD any optimizer may stand. `kl_clip` bounds the step "
        "without momentum here; `KFAC` itself counts the momentum in.",
    )  # fmt: skip


def _of_curvature(found: Values, defaults: Values) -> list[str]:
    """The words of the preconditioner that are not its defaults."""
    own = [
        f"{name}={written(found[name])}"
        for name in _OF_CURVATURE
        if found[name] != defaults[name]
    ]
    if found["kl_clip"]:
        rate = 'lr=lambda: optimizer.param_groups[0]["lr"]'
        own += [f"kl_clip={written(found['kl_clip'])}", rate]
    return own

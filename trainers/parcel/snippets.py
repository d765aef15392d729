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
    NETWORKS,
    SCHEDULER,
    Snippet,
    Values,
    ending,
    imports,
    joined,
    needs,
    networks,
    note,
    prediction,
    scheduler,
)
from trainers.parcel.settings import (
    MAKERS,
    WIDTH,
    call,
    constructor,
    has_posterior,
    written,
)

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
    kinds: list[Callable[[OptimizerSpec, Values], Snippet]] = [plain_loop]
    maker = MAKERS[spec.name]
    # Loops of others have neither a place for a schedule that knows the number of all
    # steps, nor for several networks.
    if not (spec.own_schedule or maker.members):
        # What is trained by Hugging Face is given more than inputs and labels.
        kinds += [lightning, *([] if maker.finishes else [hugging_face]), accelerate]
    if spec.name == "kfac":
        kinds.append(in_front)
    return [kind(spec, values) for kind in kinds]


def plain_loop(spec: OptimizerSpec, values: Values) -> Snippet:
    """A loop of one's own, with torch alone."""
    members = MAKERS[spec.name].members
    lines = [
        *imports(spec, FUNCTIONAL, *([SCHEDULER] if spec.own_schedule else [])),
        *([networks(spec, values)] if members else []),
        constructor(
            spec, values, num_data="len(loader.dataset)", num_steps="10 * len(loader)"
        ),
        *scheduler(spec),
        "for epoch in range(10):",
        "    for inputs, labels in loader:",
        *step_lines(spec, values, indent=8),
        *ending(spec),
        "",
        *prediction(spec, values),
    ]
    return Snippet(
        title=PLAIN, code=joined(lines), yours=NETWORKS if members else LOADER,
        needs=needs(spec), note=note(spec),
    )  # fmt: skip


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
        loss: The expression of which `backward` is called, with `model` for the
            network.

    Returns:
        Lines of code.
    """
    maker = MAKERS[spec.name]
    lines = [f"{loss}.backward()"]
    if maker.blocks:
        lines = _block(spec, values, lines)
    if maker.members:
        lines = [line.replace("optimizer.", "member.optimizer.") for line in lines]
        lines = [line.replace("model(", "member.model(") for line in lines]
        lines = ["for member in optimizer.own:", *_indented(lines)]
    if not maker.blocks:
        lines = ["optimizer.zero_grad()", *lines]
    lines.append("optimizer.step()")
    lines += ["schedule.step()"] if spec.own_schedule else []
    return [_fitting(line) for line in _indented(lines, indent)]


def _block(spec: OptimizerSpec, values: Values, lines: list[str]) -> list[str]:
    """Lines in the block, or blocks, in which a step takes its gradients."""
    told = "draws the weights" if has_posterior(spec, values) else "at the mean"
    block = [f"with optimizer.sampled_params(train=True):  # {told}", *_indented(lines)]
    draws = spec.validated(values).get("num_samples", 1)
    return block if draws == 1 else [f"for _ in range({draws}):", *_indented(block)]


def _fitting(line: str) -> str:
    """A line without its comment where that would be too long."""
    return line if len(line) <= WIDTH else line.partition("  #")[0]


def _indented(lines: list[str], indent: int = 4) -> list[str]:
    return [" " * indent + line for line in lines]


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

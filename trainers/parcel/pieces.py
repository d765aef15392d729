"""What the code to copy for an optimizer is put together from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainers.ensembles import MEMBERS
from trainers.hyperparameters import OptimizerSpec
from trainers.parcel.settings import MAKERS, has_posterior

Values = Mapping[str, Any]

DRAWS = 32  # of a prediction, unless `predict_proba` is told

FUNCTIONAL = "from torch.nn import functional as F"
SCHEDULER = "from torch.optim.lr_scheduler import LambdaLR"
_LOADER = "`loader` (batches of inputs and labels) and `test_inputs`"
LOADER = f"`model`, {_LOADER}"
NETWORKS = f"`new_model` (called, it gives a new network), {_LOADER}"
SUM = "The loss must be the mean over the examples of a batch, as it is by default."
_TOLD = {
    "schedule": " The schedule is the method's own, and counts on all of the steps.",
    "finish": " `finish` goes through the training data once more.",
    "members": " Here all networks see the same batches.",
}


@dataclass(frozen=True, kw_only=True)
class Snippet:
    """Code to copy.

    Args:
        title: What it is for.
        code: The code, which ends with a line break.
        yours: Names that it expects, in Markdown.
        needs: What `pip install` must be given beside torch, "" for nothing.
        note: What one must know of it, in Markdown; "" for nothing.
    """

    title: str
    code: str
    yours: str
    needs: str = ""
    note: str = ""


def imports(spec: OptimizerSpec, *others: str) -> list[str]:
    """Import lines in their usual order, and an empty line."""
    own = MAKERS[spec.name].imports.splitlines()
    modules = [line for line in others if line.startswith("import ")]
    names = [line for line in others if not line.startswith("import ")]
    return [*modules, *sorted([*names, *own]), ""]


def networks(spec: OptimizerSpec, values: Values, made: str = "new_model()") -> str:
    """The line that makes the networks of an ensemble."""
    return f"models = [{made} for _ in range({spec.validated(values)[MEMBERS]})]"


def scheduler(spec: OptimizerSpec) -> list[str]:
    """The line that makes the schedule of an optimizer with one of its own."""
    made = "schedule = LambdaLR(optimizer, optimizer.lr_factor)"
    return [made] if spec.own_schedule else []


def ending(
    spec: OptimizerSpec, batches: str = "loader", optimizer: str = "optimizer"
) -> list[str]:
    """The line after the last step, for an optimizer that has something to do then.

    Args:
        spec: The optimizer.
        batches: The expression that goes through the training data.
        optimizer: The expression of the optimizer.
    """
    maker = MAKERS[spec.name]
    return [f"{optimizer}.finish(lambda: {batches})"] if maker.finishes else []


def prediction(
    spec: OptimizerSpec,
    values: Values,
    *,
    optimizer: str = "optimizer",
    outputs: str = "",
) -> list[str]:
    """Lines that predict with what was trained.

    Args:
        spec: The optimizer.
        values: Its hyper-parameters.
        optimizer: The expression of the optimizer.
        outputs: What leads from the network's output to the logits.
    """
    if has_posterior(spec, values):
        model = "models[0]" if MAKERS[spec.name].members else "model"
        draws = spec.num_draws(spec.validated(values), DRAWS)
        told = f"  # {'each network once' if spec.draws else f'{draws} draws'}"
        return [
            f"posterior = {optimizer}.posterior()  # needs no optimizer any more",
            f"probabilities = posterior.predict_proba({model}, test_inputs){told}",
        ]
    return [
        "model.eval()",
        f"probabilities = model(test_inputs){outputs}.softmax(-1)",
    ]


def note(spec: OptimizerSpec) -> str:
    """What one must know of a loop with an optimizer."""
    maker = MAKERS[spec.name]
    found = {
        "schedule": spec.own_schedule, "finish": maker.finishes,
        "members": maker.members,
    }  # fmt: skip
    return SUM + "".join(_TOLD[name] for name, there in found.items() if there)


def needs(spec: OptimizerSpec, framework: str = "") -> str:
    """What `pip install` must be given beside torch, "" for nothing."""
    own = "timm" if spec.name == "lamb" else ""
    return " ".join(part for part in (framework, own) if part)


def joined(lines: list[str]) -> str:
    """Lines as one text, which ends with a line break."""
    return "\n".join(lines) + "\n"

"""What the code to copy for an optimizer is put together from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainers.hyperparameters import OptimizerSpec
from trainers.parcel.settings import MAKERS, has_posterior

Values = Mapping[str, Any]

FUNCTIONAL = "from torch.nn import functional as F"
LOADER = "`model`, `loader` (batches of inputs and labels) and `test_inputs`"
SUM = "The loss must be the mean over the examples of a batch, as it is by default."


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
    own = MAKERS[spec.name].imports
    modules = [line for line in others if line.startswith("import ")]
    names = [line for line in others if not line.startswith("import ")]
    return [*modules, *sorted([*names, own]), ""]


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
        return [
            f"posterior = {optimizer}.posterior()  # needs no optimizer any more",
            "probabilities = posterior.predict_proba(model, test_inputs)  # 32 draws",
        ]
    return [
        "model.eval()",
        f"probabilities = model(test_inputs){outputs}.softmax(-1)",
    ]


def needs(spec: OptimizerSpec, framework: str = "") -> str:
    """What `pip install` must be given beside torch, "" for nothing."""
    own = "timm" if spec.name == "lamb" else ""
    return " ".join(part for part in (framework, own) if part)


def joined(lines: list[str]) -> str:
    """Lines as one text, which ends with a line break."""
    return "\n".join(lines) + "\n"

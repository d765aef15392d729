"""example.py of the archive: one optimizer with its values, on data of its own."""

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from trainers.hyperparameters import OptimizerSpec
from trainers.parcel.settings import MAKERS, constructor, has_posterior
from trainers.parcel.snippets import step_lines

TEMPLATES = Path(__file__).parent / "templates"
_LOSS = "F.cross_entropy(model(x[rows]), y[rows])"


def template(name: str) -> str:
    """The text of a file of `templates/`, without its suffix ".txt"."""
    return (TEMPLATES / f"{name}.txt").read_text(encoding="utf-8")


def example(spec: OptimizerSpec, values: Mapping[str, Any]) -> str:
    """A program that needs torch and `vogn_app` alone.

    Args:
        spec: An optimizer of ours.
        values: Hyper-parameters by name; those that are missing have their default.

    Returns:
        Its text.

    Raises:
        ValueError: If a name is unknown or a value out of range.
    """
    maker, sampled = MAKERS[spec.name], has_posterior(spec, values)
    return Template(template("example.py")).substitute(
        title=spec.title,
        imports=maker.imports,
        name=maker.call,
        step=_steps(spec, values),
        optimizer=constructor(spec, values, num_data="len(x)", indent=4),
        prediction=template("sampled") if sampled else "",
        judgement=template(
            "sampled_judgement" if sampled else "plain_judgement"
        ).rstrip(),
    )


def _steps(spec: OptimizerSpec, values: Mapping[str, Any]) -> str:
    """The lines of a step, which keep the loss to print it."""
    lines = []
    for line in step_lines(spec, values, indent=12, loss="loss"):
        if line.strip() == "loss.backward()":
            margin = line.removesuffix("loss.backward()")
            lines.append(f"{margin}loss = {_LOSS}")
        lines.append(line)
    return "\n".join(lines)

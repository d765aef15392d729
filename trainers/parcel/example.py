"""example.py of the archive: one optimizer with its values, on data of its own."""

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from trainers.hyperparameters import OptimizerSpec
from trainers.parcel.pieces import SCHEDULER, ending, imports, networks, scheduler
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
    several = maker.members
    made = networks(spec, values, "network()") if several else "model = network()"
    return Template(template("example.py")).substitute(
        title=spec.title,
        imports=_imports(spec),
        name=maker.kind,
        networks=made + ("\n    model = models[0]" if several else ""),
        model="" if several else "model: nn.Module, ",
        given="" if several else "model, ",
        before="".join(f"    {line}\n" for line in scheduler(spec)),
        step=_steps(spec, values),
        after="".join(f"\n    {line}" for line in ending(spec, "[(x, y)]")),
        optimizer=constructor(
            spec,
            values,
            num_data="len(x)",
            indent=4,
            num_steps="EPOCHS * len(x) // BATCH_SIZE",
        ),
        prediction=template("sampled") if sampled else "",
        judgement=template(
            "sampled_judgement" if sampled else "plain_judgement"
        ).rstrip(),
    )


def _imports(spec: OptimizerSpec) -> str:
    """Import lines, the library's apart from those of torch."""
    lines = imports(spec, *([SCHEDULER] if spec.own_schedule else []))
    ours = [line for line in lines if "vogn_app" in line]
    others = [line for line in lines if line and line not in ours]
    return "\n".join([*others, "", *ours])


def _steps(spec: OptimizerSpec, values: Mapping[str, Any]) -> str:
    """The lines of a step, which keep the loss to print it."""
    lines = []
    for line in step_lines(spec, values, indent=12, loss="loss"):
        if line.strip() == "loss.backward()":
            margin = line.removesuffix("loss.backward()")
            model = "member.model" if MAKERS[spec.name].members else "model"
            lines.append(f"{margin}loss = {_LOSS.replace('model', model)}")
        lines.append(line)
    return "\n".join(lines)

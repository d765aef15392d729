"""The archive: library, licence, the chosen optimizer at work, perhaps a posterior."""

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from trainers.hyperparameters import OptimizerSpec
from trainers.parcel.archive import Parcel, packed
from trainers.parcel.deployment import Deployment, deployed
from trainers.parcel.example import example, template
from trainers.parcel.settings import MAKERS
from trainers.parcel.snippets import plain_loop
from trainers.parcel.wheel import LICENCE, ROOT, library_files, licence, version
from trainers.runs import Run

_CONTENTS = {
    "vogn_app/": "the library",
    "example.py": "the optimizer at work on data of its own",
    LICENCE: "the licence of all of it",
}
_DEPLOYED = {
    "predict.py": "predicts as the run does",
    "posterior.safetensors": "the posterior over the weights",
    "network.py": "the code of the network",
    "run.json": "classes, shape and normalisation of inputs",
    "config.json": "the configuration of the run",
    "examples.safetensors": "test inputs with the run's own predictions",
}
_UNKNOWN = (
    "The run was evaluated before the constants of its normalisation were kept, so "
    "predict.py wants\ninputs that are normalised already. "
)


def bundle(
    spec: OptimizerSpec,
    values: Mapping[str, Any],
    run: Run | None = None,
    root: Path = ROOT,
) -> Parcel:
    """Make the archive.

    Args:
        spec: An optimizer of ours.
        values: Hyper-parameters by name; those that are missing have their default.
        run: A finished run whose posterior comes along; None for none.
        root: The checkout.

    Returns:
        The archive: the same bytes for the same content.

    Raises:
        ParcelError: If the checkout lacks something.
        RunError: If the run has nothing to deploy, or is damaged.
        ValueError: If a hyper-parameter is out of range, or the optimizer not ours.
    """
    if not MAKERS[spec.name].ours:
        raise ValueError(f"optimizer must be one of vogn_app, got {spec.name!r}.")
    library = library_files(root)
    found = None if run is None else deployed(run)
    files = {
        **library,
        LICENCE: licence(root),
        "example.py": example(spec, values).encode(),
        "README.md": _readme(spec, values, version(library), run, found).encode(),
        **({} if found is None else found.files),
    }
    name = f"vogn_app-{version(library)}-{spec.name}"
    name += f"-{run.id}" if run is not None else ""
    return Parcel(f"{name}.zip", packed(files, name))


def _readme(
    spec: OptimizerSpec,
    values: Mapping[str, Any],
    number: str,
    run: Run | None,
    found: Deployment | None,
) -> str:
    contents = dict(_CONTENTS)
    contents |= {k: v for k, v in _DEPLOYED.items() if found and k in found.files}
    snippet = plain_loop(spec, values)
    return Template(template("README.md")).substitute(
        title=spec.title,
        version=number,
        summary=spec.summary,
        paper=spec.paper,
        contents="\n".join(f"| `{name}` | {what} |" for name, what in contents.items()),
        snippet=snippet.code,
        note=f"{snippet.yours} are yours.",
        name=MAKERS[spec.name].kind,
        posterior="" if run is None or found is None else _of_run(run, found),
    )


def _of_run(run: Run, found: Deployment) -> str:
    needs = f" and {found.needs}" if found.needs else " alone"
    unknown = "" if found.normalised else _UNKNOWN
    judges = (
        "`python predict.py` compares itself with what the run predicted of some test "
        "inputs."
        if found.judged
        else "There are no test inputs with it to compare itself with the run."
    )
    return (
        f"\n## The posterior of run `{run.id}`\n\n"
        f"`python predict.py inputs.pt` predicts, with torch{needs}; its first lines "
        f"say what inputs are.\n{unknown}{judges}\n"
    )

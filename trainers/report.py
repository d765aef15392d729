"""A finished run as the predictions that a report is made from. Torch-free."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from calibration.report import Predictions, predictions_of
from calibration.report.data import LayerRow
from calibration.report.reading import read_arrays
from trainers.catalogue import model_spec, optimizer_spec
from trainers.config import RunConfig, command_line
from trainers.families import families, model_names
from trainers.runs import Run, RunError, load_config, read_json
from trainers.status import Status, check_finished

Array = NDArray[Any]
NO_SHIFT = (
    "{name}: distribution shift was not measured; `python -m trainers shift {run}` "
    "does it."
)


def run_predictions(
    runs: Sequence[Run], near: Sequence[str] = (), far: Sequence[str] = ()
) -> list[Predictions]:
    """Read what a report needs of finished runs.

    Args:
        runs: The runs.
        near: Names of out-of-distribution sets that resemble the data.
        far: Names of those that do not.

    Returns:
        One entry a run, under names that tell them apart.

    Raises:
        RunError: If a run has not finished, or its files are damaged.
        ValueError: If its predictions are not valid, or no run has a set of that name.
    """
    configs = [load_config(run) for run in runs]
    names = model_names(runs, configs)
    rows = zip(runs, configs, names, families(configs), strict=True)
    found = [_predictions(*row, near, far) for row in rows]
    known = sorted({name for each in found for name in each.ood})
    for name in (*near, *far):
        if name not in known:
            raise ValueError(
                "near and far must name out-of-distribution sets of the runs "
                f"({', '.join(known) or 'there are none'}), got {name!r}."
            )
    return found


def _predictions(
    run: Run,
    config: RunConfig,
    name: str,
    family: str,
    near: Sequence[str],
    far: Sequence[str],
) -> Predictions:
    status = check_finished(run)
    evaluation, content = read_json(run.evaluation), read_json(run.config)
    arrays = read_arrays(run.predictions)
    try:
        rows, images = _images(run)
        known = {
            "class_names": [str(each) for each in evaluation["class_names"]],
            "mean_probabilities": _at_mean(evaluation, arrays),
            "posterior": _posterior(evaluation),
            "provenance": provenance(run, config, content, status, arrays)
            | _software(evaluation),
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{run.evaluation} and {run.predictions.name} must be those of a finished "
            f"run, got damaged ones: {error!r}."
        ) from None
    shift = _shift(run)
    notes = [f"{name}: {note}" for note in evaluation.get("notes", [])]
    if not shift and evaluation.get("map") is None:  # points have no corruptions
        notes.append(NO_SHIFT.format(name=name, run=run.id))
    return predictions_of(
        name,
        arrays | shift,
        **known,
        images=images,
        image_rows=rows,
        near=tuple(each for each in near if f"ood_{each}" in arrays),
        far=tuple(each for each in far if f"ood_{each}" in arrays),
        family=family,
        notes=notes,
    )


def provenance(
    run: Run,
    config: RunConfig,
    content: Mapping[str, Any],
    status: Status,
    arrays: Mapping[str, Array],
) -> dict[str, str]:
    """Say what was trained on what and how.

    Args:
        run: The run.
        config: Its configuration.
        content: The file of that, which also holds the version of the code.
        status: How the run went.
        arrays: Its predictions.

    Returns:
        Text by label.
    """
    training, dataset = config.training, config.dataset
    spec = optimizer_spec(config.optimizer.name)
    settings = config.optimizer.hyperparameters.items()
    told = {
        "Run": run.id,
        "Dataset": dataset.name + (f" ({dataset.folder})" if dataset.folder else ""),
        "Test examples": f"{len(arrays['labels']):,}",
        "Validation": f"{dataset.validation_fraction:.0%} of the training part, split "
        f"with seed {dataset.split_seed}",
        "Model": model_spec(config.model.name).title,
        "Optimizer": spec.title,
        "Settings": ", ".join(f"{name} {value}" for name, value in settings),
        "Training": f"{training.epochs} epochs, batch size {training.batch_size}, "
        f"schedule {training.schedule}",
        "Seed": str(training.seed),
        "Code": f"vogn-app {content.get('code_version', 'of an unknown version')}",
        "Command": command_line(config),
    }
    if status.started and status.ended:
        told["Trained"] = (
            f"{datetime.fromtimestamp(status.started, UTC):%Y-%m-%d %H:%M} UTC, "
            f"{status.ended - status.started:,.0f} seconds with evaluation"
        )
    return told


def _posterior(evaluation: Mapping[str, Any]) -> list[LayerRow]:
    """What is known of each layer; nothing of mixtures.

    Their deviation is from network to network, where a report would read it as doubt.
    """
    wanted = [item.name for item in fields(LayerRow)]
    return [
        LayerRow(**{name: row[name] for name in wanted})
        for row in evaluation.get("posterior") or []
        if row["deviation"] is not None and row["signal_to_noise"] is not None
        if row.get("between") is None
    ]


def _software(evaluation: Mapping[str, Any]) -> dict[str, str]:
    """What the network was evaluated with; older runs did not note it."""
    versions = evaluation.get("software", {})
    told = ", ".join(f"{name} {each}" for name, each in versions.items())
    return {"Software": told} if told else {}


def _at_mean(
    evaluation: Mapping[str, Any], arrays: Mapping[str, Array]
) -> Array | None:
    """Probabilities at the posterior mean, of which a run keeps the logits."""
    if evaluation.get("mean") is None or "logits" not in arrays:
        return None
    mean: Array = softmax(arrays["logits"].astype(np.float64), axis=-1)
    return mean


def _images(run: Run) -> tuple[Array | None, Array | None]:
    """The images that a run kept, and which test examples they are."""
    if not run.images.exists():
        return None, None
    found = read_arrays(run.images, ("images", "rows"))
    return found["rows"], found["images"]


def _shift(run: Run) -> dict[str, Array]:
    """What `python -m trainers shift` has found, if anything."""
    if not run.shift.exists():
        return {}
    arrays = read_arrays(run.shift)
    return {
        f"shift_{name}": array for name, array in arrays.items() if name != "indices"
    }

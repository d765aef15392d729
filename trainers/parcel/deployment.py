"""What a finished run puts into the archive: its posterior, and what predicts with it.

Only files of the run's folder are read, and the code of its network. The posterior
travels as it is, in safetensors; predict.py reads that with torch alone.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from calibration import predictive
from data import DATASETS
from trainers.catalogue import OPTIMIZERS
from trainers.config import RunConfig
from trainers.continual.record import is_continual
from trainers.mapped import mapped_array
from trainers.parcel.example import template
from trainers.parcel.extract import extracted
from trainers.parcel.settings import has_posterior
from trainers.runs import Run, RunError, lies_within, load_config, read_json
from trainers.status import check_finished
from trainers.timm_catalogue import TIMM_PREFIX

NUM_EXAMPLES = 32  # test inputs with the run's own predictions, to judge by
_PREDICTED = ("logits", "probabilities", "labels")
MAX_BYTES = 512 * 2**20  # of a posterior: the archive is made in memory


def offers_posterior(run: Run, config: RunConfig) -> bool:
    """Whether a finished run has a posterior to download."""
    spec = OPTIMIZERS[config.optimizer.name]
    if is_continual(run):  # its network is another, and shows one task of many
        return False
    return has_posterior(spec, config.optimizer.hyperparameters) and (
        run.posterior.is_file()
    )


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What predicts as a finished run does.

    Args:
        files: Content by path.
        normalised: Whether the run kept the constants that inputs are normalised with;
            runs of before they were kept want inputs that are normalised already.
        judged: Whether there are inputs with the run's own predictions.
        needs: Packages beside torch, "" for none.
    """

    files: Mapping[str, bytes]
    normalised: bool
    judged: bool
    needs: str


def deployed(run: Run) -> Deployment:
    """Gather what predicts as a finished run does.

    Args:
        run: The run.

    Returns:
        The files, and what is to be said of them.

    Raises:
        RunError: If the run is not finished, has no posterior, or lacks something
            without which nobody can predict.
    """
    check_finished(run)
    _check_own(run)
    config = load_config(run)
    if not offers_posterior(run, config):
        raise RunError(f"Run {run.id} has no posterior.")
    with _telling(run.evaluation):
        facts = _facts(run, config, _evaluation(run))
    normalised = facts["normalisation"] is not None
    with _telling(run.images):
        # Without the constants an image cannot be brought before the network.
        inputs = _examples(run, tuple(facts["input_shape"])) if normalised else None
    files = {
        "posterior.safetensors": _read(run, run.posterior),
        "config.json": _read(run, run.config),
        "run.json": (json.dumps(facts, indent=1) + "\n").encode(),
        "predict.py": _program(facts).encode(),
        "network.py": _network(config.model.name).encode(),
    }
    if inputs is not None:
        files["examples.safetensors"] = inputs
    return Deployment(
        files=files, normalised=normalised, judged=inputs is not None,
        needs="timm" if config.model.name.startswith(TIMM_PREFIX) else "",
    )  # fmt: skip


def _check_own(run: Run) -> None:
    """Refuse files of the run that are links which lead out of its folder."""
    others = run.images, run.predictions, run.posterior
    for path in (run.config, run.evaluation, *others):
        if not lies_within(path, run.path):
            raise RunError(f"{path.name} lies outside the folder of run {run.id}.")


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """Tell what damage makes of a file by RunError."""
    try:
        yield
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
        raise RunError(f"{path.name} is damaged: {error!r}.") from None


def _read(run: Run, path: Path) -> bytes:
    """A file of the run's folder; RunError if it cannot be read."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise RunError(
                f"{path.name} is too large to be packed here: copy it from the folder "
                f"of run {run.id}."
            )
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"{path.name} cannot be read: {error.strerror}.") from None


def _evaluation(run: Run) -> dict[str, Any]:
    content = read_json(run.evaluation)
    names = content.get("class_names") if isinstance(content, dict) else None
    if not isinstance(names, list) or len(names) < 2:
        raise RunError(f"{run.evaluation} does not name the classes.")
    return dict(content)


def _facts(run: Run, config: RunConfig, content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of run.json."""
    shape = content.get("input_shape") or DATASETS[config.dataset.name].shape
    if shape is None:
        raise RunError(
            f"Run {run.id} was evaluated before the shape of inputs was kept: its "
            "posterior can be copied from its folder, but not be packed."
        )
    return {
        "run": run.id,
        "dataset": config.dataset.name,
        "model": config.model.name,
        "optimizer": config.optimizer.name,
        "class_names": [str(name) for name in content["class_names"]],
        "input_shape": [int(size) for size in shape],
        "normalisation": _constants(content.get("normalisation"), int(shape[0])),
        "num_samples": config.evaluation.test_samples,
    }


def _constants(content: Any, num_channels: int) -> dict[str, list[float]] | None:
    """Mean and deviation of each channel; None if the run did not keep them."""
    if content is None:
        return None
    found = {key: [float(each) for each in content[key]] for key in ("mean", "std")}
    if any(len(each) != num_channels for each in found.values()):
        raise RunError("The normalisation in evaluation.json is of other channels.")
    return found


def _examples(run: Run, shape: tuple[int, ...]) -> bytes | None:
    """Test inputs with what the run predicted of them; None if it kept no inputs."""
    if not run.images.is_file():
        return None
    kept, images = mapped_array(run.images, "rows"), mapped_array(run.images, "images")
    chosen = np.unique(np.linspace(0, len(kept) - 1, NUM_EXAMPLES).astype(int))
    rows = np.asarray(kept[chosen])
    arrays = {name: mapped_array(run.predictions, name) for name in _PREDICTED}
    logits = np.asarray(arrays["logits"][rows], np.float64)
    grown = np.exp(logits - logits.max(-1, keepdims=True))
    drawn = np.asarray(arrays["probabilities"][..., rows, :])
    found = {
        "inputs": np.ascontiguousarray(_channels_first(images[chosen])),
        "labels": np.asarray(arrays["labels"][rows], np.int64),
        "at_mean": (grown / grown.sum(-1, keepdims=True)).astype(np.float32),
        "probabilities": np.asarray(predictive(drawn), np.float32),
    }
    if found["inputs"].shape[1:] != shape:
        raise RunError(f"{run.images} holds images of another shape.")
    return save(found)


def _channels_first(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures [K, H, W] or [K, H, W, 3] as a network takes them, [K, C, H, W]."""
    return images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)


def _network(name: str) -> str:
    """The code that builds the network of a run."""
    if name.startswith(TIMM_PREFIX):
        return extracted("trainers.timm_models", "timm_network")
    return extracted("trainers.networks", name)


def _program(facts: Mapping[str, Any]) -> str:
    """The text of predict.py."""
    name, shape = facts["model"], facts["input_shape"]
    timm = name.startswith(TIMM_PREFIX)
    kind = (
        f"points [N, {shape[0]}]" if len(shape) == 1
        else f"images [N, {', '.join(map(str, shape))}], integers from 0 to 255 or\n"
        "floats from 0 to 1"
    )  # fmt: skip
    if facts["normalisation"] is None:
        kind = (
            f"floats [N, {', '.join(map(str, shape))}], normalised by you as in "
            "training: mean 0,\ndeviation 1 in each channel. The run was evaluated "
            "before the constants were kept"
        )
    return Template(template("predict.py")).substitute(
        builder="timm_network" if timm else name,
        name=f"{json.dumps(name.removeprefix(TIMM_PREFIX))}, " if timm else "",
        inputs=kind,
        needs=" and timm" if timm else " alone",
    )

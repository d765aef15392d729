"""shift.npz: what a finished run predicts on corrupted test images.

`labels` and `indices` `[M]` are those of the chosen test images, `clean` `[M, C]` the
predictions on them as they are, and `KIND_SEVERITY` such as `fog_3` those on them
corrupted: means over draws from the posterior, the same draws for all.

Which images are chosen and how each is corrupted depends on the images alone, so that
runs on the same data can be set beside each other.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from calibration.report.checks import PredictionsError
from calibration.report.reading import read_arrays
from calibration.shift import ShiftRow, shift_table
from data.arrays import Split
from data.corruptions import CORRUPTIONS, SEVERITIES, corruption
from data.corruptions.apply import SMALLEST, corrupt
from trainers.abilities import has_posterior
from trainers.arrays import write_arrays
from trainers.batches import DeviceSplit
from trainers.checks import check_int
from trainers.predict import BATCH_SIZE, predict
from trainers.runs import Run, RunError
from trainers.trained import Trained, load_trained

SEED = 2019  # of the choice of images, of corruptions and of draws
MAX_EXAMPLES, MAX_SAMPLES = 1_000_000, 4096

Predictor = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def predict_shift(
    run: Run,
    num_examples: int = 1000,
    num_samples: int = 8,
    kinds: Sequence[str] = tuple(CORRUPTIONS),
    show_bar: bool = True,
) -> list[ShiftRow]:
    """Predict corrupted test images, and write shift.npz.

    Nothing else in the run's folder changes, and shift.npz only when all is done.

    Args:
        run: A finished run on images.
        num_examples: Test images M, chosen at random; all if there are fewer.
        num_samples: Draws from the posterior, if there is one.
        kinds: Keys of `data.corruptions.CORRUPTIONS`, each at all severities.
        show_bar: Whether to draw a progress bar on stderr.

    Returns:
        Accuracy, NLL and ECE of each kind and severity.

    Raises:
        DatasetError: If the data cannot be had any more.
        RunError: If the run is not finished or damaged, or its data have changed.
        ValueError: If an argument is not as described, or the data are no images.
    """
    check_int("examples", num_examples, 1, MAX_EXAMPLES)
    check_int("samples", num_samples, 1, MAX_SAMPLES)
    names = [corruption(kind).name for kind in dict.fromkeys(kinds)]
    if not names:
        raise ValueError("kinds must name at least one corruption, got none.")
    trained = load_trained(run)
    _check_images(trained)
    _check_same(run, trained.data.test)
    chosen = _chosen(trained.data.test, num_examples)
    predictor = _predictor(trained, num_samples)
    clean, shifted = _predictions(predictor, chosen, names, show_bar)
    arrays: dict[str, NDArray[Any]] = {
        "labels": chosen.labels,
        "indices": chosen.indices,
        "clean": clean,
    }
    arrays |= {f"{kind}_{level}": found for (kind, level), found in shifted.items()}
    write_arrays(run.shift, arrays)
    return shift_table(clean, shifted, chosen.labels)


def _check_images(trained: Trained) -> None:
    shape = trained.data.input_shape
    if len(shape) != 3:
        raise ValueError(
            "dataset must be of images, which alone can be corrupted, "
            f"got {trained.config.dataset.name!r}."
        )
    if min(shape[1:]) < SMALLEST:
        raise ValueError(
            f"images must be at least {SMALLEST} x {SMALLEST} pixels to be corrupted, "
            f"got {shape[1]} x {shape[2]}."
        )


def _check_same(run: Run, test: Split) -> None:
    """Refuse data that are not those that the run was evaluated on.

    Raises:
        RunError: They are others, or the predictions cannot be read.
    """
    try:
        found = read_arrays(run.predictions, ("labels", "indices"))
    except PredictionsError as error:
        raise RunError(f"{run.predictions} cannot be read: {error}") from error
    if not all(np.array_equal(found[name], getattr(test, name)) for name in found):
        raise RunError(
            f"run {run.id}: the dataset has changed since the run was evaluated."
        )


def _chosen(test: Split, num_examples: int) -> Split:
    count = min(num_examples, len(test))
    rows = np.random.default_rng(SEED).choice(len(test), count, replace=False)
    return test.take(np.sort(rows))


def _predictor(trained: Trained, num_samples: int) -> Predictor:
    """What gives the predictive mean of images, always with the same draws."""
    optimizer, model = trained.optimizer, trained.model
    posterior = optimizer.posterior() if has_posterior(optimizer) else None

    def found(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        part = Split.whole(images, np.zeros(len(images), np.int64))
        split = DeviceSplit.of(part, trained.data.normalisation, trained.device)
        if posterior is None:
            return predict(model, [split])[0]
        inputs = split.normalised(split.inputs)
        mean = posterior.predict_proba(
            model,
            inputs,
            posterior.num_draws(num_samples),
            batch_size=BATCH_SIZE,
            seed=SEED,
        )
        array: NDArray[np.float32] = mean.float().cpu().numpy()
        return array

    return found


def _predictions(
    predictor: Predictor, chosen: Split, kinds: Sequence[str], show_bar: bool
) -> tuple[NDArray[np.float32], dict[tuple[str, int], NDArray[np.float32]]]:
    """Predict the images as they are, and with each corruption."""
    interval = 0.2 if sys.stderr.isatty() else 5.0
    shifted: dict[tuple[str, int], NDArray[np.float32]] = {}
    with tqdm(
        desc="corrupting", total=1 + len(kinds) * len(SEVERITIES), file=sys.stderr,
        mininterval=interval, dynamic_ncols=True, leave=False, disable=not show_bar,
    ) as bar:  # fmt: skip
        clean = predictor(chosen.inputs)
        bar.update()
        for kind in kinds:
            for level in SEVERITIES:
                images = corrupt(
                    chosen.inputs, kind, level, seed=SEED, indices=chosen.indices
                )
                shifted[kind, level] = predictor(images)
                bar.update()
    return clean, shifted

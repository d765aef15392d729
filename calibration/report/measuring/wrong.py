"""Predictions that are confident and wrong, with their pictures where there are any."""

import base64
import io

import numpy as np
from numpy.typing import NDArray

from calibration._checks import predictive
from calibration.gallery import select_examples
from calibration.report.data import WrongExample
from calibration.report.predictions import Predictions
from calibration.uncertainty import decompose

NUM_EXAMPLES = 12
ENLARGED = 96  # pixels: smaller pictures are scaled up by whole numbers


def confidently_wrong(
    predictions: Predictions, num_examples: int = NUM_EXAMPLES
) -> list[WrongExample]:
    """Pick the wrong predictions of the highest confidence.

    Args:
        predictions: The model's predictions.
        num_examples: How many at most.

    Returns:
        The examples, the most confident first.
    """
    samples, labels = predictions.probabilities, np.asarray(predictions.labels)
    rows = select_examples(samples, labels, num_examples)["confidently_wrong"]
    if not len(rows):
        return []
    mean = predictive(samples)
    chosen, confidence = mean.argmax(axis=1), mean.max(axis=1)
    parts = decompose(samples[:, rows] if samples.ndim == 3 else samples[rows])
    is_single = samples.ndim == 2 or len(samples) == 1
    indices = np.arange(len(labels)) if predictions.indices is None else np.asarray(
        predictions.indices
    )  # fmt: skip
    return [
        WrongExample(
            index=int(indices[row]),
            label=int(labels[row]),
            prediction=int(chosen[row]),
            confidence=float(confidence[row]),
            label_probability=float(mean[row, labels[row]]),
            entropy=float(parts.total[i]),
            mutual_information=None
            if is_single
            else float(parts.mutual_information[i]),
            image=picture(predictions, int(row)),
        )
        for i, row in enumerate(rows)
    ]


def picture(predictions: Predictions, row: int) -> str:
    """One example's image as a PNG in base64, "" where there is none."""
    images = predictions.images
    if images is None:
        return ""
    if predictions.image_rows is not None:
        (places,) = np.nonzero(predictions.image_rows == row)
        if not len(places):
            return ""
        row = int(places[0])
    return png(images[row])


def png(image: NDArray[np.uint8]) -> str:
    """An image ``[H, W]``, or ``[H, W, 1 or 3]``, as PNG in base64; small ones grow."""
    from PIL import Image

    image = image[..., 0] if image.shape[-1] == 1 else image
    factor = max(1, ENLARGED // max(image.shape[:2]))
    enlarged = image.repeat(factor, axis=0).repeat(factor, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(enlarged).save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()

"""Examples of what the report shows one by one: classes, layers, examples."""

import base64
import io

import numpy as np
from PIL import Image

from calibration.report.data import ClassRow, LayerRow, WrongExample
from tests.calibration.report.examples.numbers import bins, estimate, share


def picture(seed):
    """Return a small PNG in base64."""
    pixels = np.random.default_rng(seed).integers(0, 255, (28, 28), dtype=np.uint8)
    pixels[6:22, 9:19] //= 4
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def example_classes(probabilities, labels, names):
    rows = []
    prediction = probabilities.argmax(axis=1)
    for index, name in enumerate(names):
        mine, chosen = labels == index, prediction == index
        found = bins(probabilities[:, index], mine, np.linspace(0, 1, 11))
        gap = sum(b.count * abs(b.confidence - b.accuracy) for b in found)
        hits = int((mine & chosen).sum())
        rows.append(
            ClassRow(
                index=index,
                name=name,
                count=int(mine.sum()),
                predicted=int(chosen.sum()),
                recall=share(hits / mine.sum(), int(mine.sum()))
                if mine.any()
                else None,
                precision=share(hits / chosen.sum(), int(chosen.sum()))
                if chosen.any()
                else None,
                nll=estimate(0.2 + 0.03 * (index % 7), count=int(mine.sum())),
                confidence=float(probabilities[:, index].mean()),
                calibration_error=gap / len(labels),
                bins=found,
            )
        )
    return rows


def example_posterior():
    names = ["conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias"]
    names += [f"fc{i}.{kind}" for i in (1, 2, 3) for kind in ("weight", "bias")]
    sizes = [150, 6, 2400, 16, 48_000, 120, 10_080, 84, 840, 10]
    return [
        LayerRow(
            name=name,
            num_parameters=size,
            deviation=0.012 + 0.004 * (i % 4),
            signal_to_noise=2.4 / (1 + 0.4 * i),
            kl=None if i == 9 else 0.9 * size**0.9,
        )
        for i, (name, size) in enumerate(zip(names, sizes, strict=True))
    ]


def example_wrong(seed, names, *, with_images=True):
    return [
        WrongExample(
            index=137 * (i + 1),
            label=(i + 4) % len(names),
            prediction=(i + 6) % len(names),
            confidence=0.999 - 0.004 * i,
            label_probability=0.0004 * (i + 1),
            entropy=0.008 + 0.01 * i,
            mutual_information=0.002 * i,
            image=picture(seed + i) if with_images and i != 3 else "",
        )
        for i in range(8)
    ]

"""predictions.npz: what a run's measures and report are computed from.

| array | what |
|---|---|
| `probabilities`, `labels`, `indices` | test: `[N, C]` or `[S, N, C]`, `[N]`, `[N]` |
| `ood_NAME` | probabilities on an out-of-distribution set |
| `validation_probabilities`, `validation_labels` | predictive mean `[V, C]`, `[V]` |
| `logits`, `logits_ood_NAME` | at the posterior mean, `[N, C]` |
| `features`, `features_ood_NAME` | what the last linear layer takes, `[N, D]` |
| `labels_train`, `logits_train`, `features_train` | the same of training examples |

Logits and features are those of the weights at the posterior mean. The training
examples are as they are, without augmentation: all, or 5,000 chosen at random.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.arrays import LoadedDataset, Split
from trainers.features import Outputs

MAX_TRAIN = 5000  # enough to fit distances of classes in hundreds of dimensions

TEST, VALIDATION, OOD = "test", "validation", "ood_"

Arrays = dict[str, NDArray[Any]]


def training_examples(train: Split, seed: int) -> Split:
    """The training examples that features are kept of.

    Args:
        train: The training split.
        seed: Of the choice.

    Returns:
        All, or `MAX_TRAIN` of them in their order.
    """
    if len(train) <= MAX_TRAIN:
        return train
    chosen = np.random.default_rng(seed).choice(len(train), MAX_TRAIN, replace=False)
    return train.take(np.sort(chosen))


def arrays_of(
    data: LoadedDataset,
    probabilities: Mapping[str, NDArray[np.float32]],
    at_mean: Mapping[str, Outputs],
    train: tuple[Split, Outputs],
) -> Arrays:
    """Everything that predictions.npz holds.

    Args:
        data: The dataset.
        probabilities: Of "test", "ood_NAME" and, if there is one, "validation".
        at_mean: The same at the posterior mean.
        train: Training examples, and the network's outputs on them.

    Returns:
        Arrays by name.
    """
    arrays: Arrays = {
        "probabilities": probabilities[TEST],
        "labels": data.test.labels,
        "indices": data.test.indices,
        "labels_train": train[0].labels,
        **_named("_train", train[1]),
        **_named("", at_mean[TEST]),
    }
    for name in probabilities:
        if name.startswith(OOD):
            arrays |= {name: probabilities[name], **_named(f"_{name}", at_mean[name])}
    if VALIDATION in probabilities:
        found = probabilities[VALIDATION]
        mean = found.mean(axis=0, dtype=np.float64) if found.ndim == 3 else found
        arrays["validation_probabilities"] = mean.astype(np.float32)
        arrays["validation_labels"] = data.validation.labels
    return arrays


def _named(suffix: str, found: Outputs) -> Arrays:
    arrays: Arrays = {f"logits{suffix}": found.logits}
    if found.features is not None:
        arrays[f"features{suffix}"] = found.features
    return arrays

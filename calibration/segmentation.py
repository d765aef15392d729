"""Segmentation: a classification of every pixel, judged as such.

*Intervals resample images, not pixels.* Neighbouring pixels show the same object under
the same light: where one is right, so, mostly, is the next. A million pixels of 16
images hold hardly more evidence than 16 numbers, and an interval over pixels would be
narrow by a factor of hundreds. `PixelPredictions.groups` is the image of each pixel,
which measures take as `groups=`; one image alone says nothing of the spread between
images, and then intervals are as wide as they can be.

*Papers*: Everingham et al. (2010), IJCV 88:303, section 4.2 (intersection over union,
from counts over all images); Kampffmeyer et al. (2016), CVPR workshops (maps of
the uncertainty of posterior samples).

Conventions of axes and masks are those of `calibration.pixels`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._checks import check_at_least_one
from calibration._predictions import Judged, Predicted
from calibration.bootstrap import resampled, sums_by_group
from calibration.estimate import Estimate
from calibration.intervals import beyond_normal, effective_size
from calibration.measures import measures_of
from calibration.pixels import PixelPredictions, check_mask, classes_last, images


@dataclass(frozen=True, kw_only=True, eq=False)
class UncertaintyMaps:
    """Uncertainty of every pixel, as a share of the largest there is, log C.

    0 is certain, 1 knows nothing. Pixels left out are masked, and 0 underneath.

    Args:
        total: Entropy of the posterior predictive, ``[N, *spatial]``.
        expected: Mean entropy of the samples: aleatoric, ``[N, *spatial]``.
        mutual_information: Total less expected: epistemic, ``[N, *spatial]``.
    """

    total: np.ma.MaskedArray[Any, np.dtype[np.float64]]
    expected: np.ma.MaskedArray[Any, np.dtype[np.float64]]
    mutual_information: np.ma.MaskedArray[Any, np.dtype[np.float64]]


def evaluate_segmentation(
    predictions: PixelPredictions, num_bins: int = 15
) -> dict[str, Estimate]:
    """Measure all that `calibration.measures.measure` does of pixels, and the overlap.

    Args:
        predictions: From `pixels`.
        num_bins: Bins of the binned measures, at least 1.

    Returns:
        Estimates with intervals over images: "accuracy", "nll", "brier", "ece" and the
        others by their names in `calibration.definitions`, then those of
        `intersection_over_union`.
    """
    judged = _judged(predictions)
    return measures_of(judged, num_bins) | _overlap_of(judged)


def intersection_over_union(predictions: PixelPredictions) -> dict[str, Estimate]:
    """Measure how far true and predicted pixels of each class overlap.

    Args:
        predictions: From `pixels`.

    Returns:
        "mean_iou", then "iou_0", "iou_1", ... of the classes: fractions in 0..1 whose
        counts are the pixels of the union. A class that is neither true nor predicted
        anywhere has no overlap to speak of, and is left out of the mean as well; so are
        classes of a replicate of the bootstrap.
    """
    return _overlap_of(_judged(predictions))


def uncertainty_maps(
    probabilities: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    class_axis: int = 1,
    num_spatial: int = 2,
) -> UncertaintyMaps:
    """Map the uncertainty of every pixel, labelled or not.

    Args:
        probabilities: Class probabilities, ``[N, C, *spatial]`` or
            ``[S, N, C, *spatial]``.
        mask: Which pixels to look at; all by default, ``[N, *spatial]``.
        class_axis: Place of classes among the axes without samples: 1, or -1 for last.
        num_spatial: Number of spatial axes, at least 1, which tells ``[N, C, H, W]``
            from samples of sequences.

    Returns:
        Three maps. A single model has no mutual information: it is 0 everywhere.

    Raises:
        ValueError: If an argument is outside its range.
    """
    num_spatial = check_at_least_one(num_spatial, "num_spatial")
    maps = classes_last(probabilities, num_spatial, class_axis)
    kept = check_mask(mask, maps.shape[-2 - num_spatial : -1])
    shares = np.zeros((3, *kept.shape))
    scale = np.log(max(maps.shape[-1], 2))  # of one class, all entropies are 0
    for n, rows in images(maps, kept):
        parts = Predicted(rows)
        entropies = (parts.total, parts.expected, parts.mutual_information)
        # Rounding can leave the uniform distribution a little above log C.
        shares[:, n, kept[n]] = np.minimum(np.array(entropies) / scale, 1.0)
    total, expected, mutual = (
        np.ma.MaskedArray(share, ~kept, fill_value=0.0) for share in shares
    )
    return UncertaintyMaps(total=total, expected=expected, mutual_information=mutual)


def _judged(predictions: PixelPredictions) -> Judged:
    return Judged(predictions.probabilities, predictions.labels, predictions.groups)


def _overlap_of(judged: Judged) -> dict[str, Estimate]:
    sums = _overlaps(judged)
    unions = _unions(sums)
    present = np.flatnonzero(unions.sum(axis=0) > 0)
    unseen = np.array([_unseen(sums[:, c, 0], unions[:, c]) for c in present])
    mean_iou = resampled(sums, _mean_iou, judged.count)
    found = {"mean_iou": _widened(mean_iou, unseen.mean(axis=0))}
    for c, farther in zip(present, unseen, strict=True):
        estimate = resampled(sums[:, c], _iou, int(unions[:, c].sum()))
        found[f"iou_{c}"] = _widened(estimate, farther)
    return found


def _unseen(
    both: NDArray[np.float64], union: NDArray[np.float64]
) -> tuple[float, float]:
    """How far an overlap may be lower, and higher, that resampling cannot see."""
    share = float(both.sum() / union.sum())
    return beyond_normal(share, effective_size(both, union))


def _widened(estimate: Estimate, farther: NDArray[np.float64]) -> Estimate:
    return Estimate(
        estimate,
        low=max(estimate.low - farther[0], 0.0),
        high=min(estimate.high + farther[1], 1.0),
        count=estimate.count,
        method=estimate.method,
    )


def _overlaps(judged: Judged) -> NDArray[np.float64]:
    """Pixels of each class: both true and predicted, true, predicted, ``[G, C, 3]``."""
    group, num_classes = judged.dealt, judged.rows.shape[1]
    hits = sums_by_group(group, judged.labels, num_classes, judged.correct, None)
    claims = sums_by_group(group, judged.predicted, num_classes, None)
    return np.concatenate([hits, claims], axis=-1)


def _unions(overlaps: NDArray[np.float64]) -> NDArray[np.float64]:
    both, true, predicted = np.moveaxis(overlaps, -1, 0)
    union: NDArray[np.float64] = true + predicted - both
    return union


def _iou(overlaps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union, not a number where there is no union."""
    ratio: NDArray[np.float64] = overlaps[..., 0] / _unions(overlaps)
    return ratio


def _mean_iou(overlaps: NDArray[np.float64]) -> NDArray[np.float64]:
    unions = _unions(overlaps)
    ratios = overlaps[..., 0] / np.maximum(unions, 1.0)
    mean: NDArray[np.float64] = ratios.sum(axis=-1) / (unions > 0).sum(axis=-1)
    return mean

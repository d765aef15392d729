"""The measures of `benchmarks.measures` that other libraries have too.

A library is imported when it is first called. Where it has the parts of a measure
alone, they are put together here as its users would.
"""

from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.measures import NUM_BINS, NUM_CLASSES, RECALL, Number, Predictions


@dataclass(frozen=True)
class Peer:
    """A measure of another library.

    Args:
        library: Its name.
        run: What gives the number.
    """

    library: str
    run: Number


def _tensors(p: Predictions) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities and labels, in NumPy's memory."""
    return torch.from_numpy(p.probabilities), torch.from_numpy(p.labels)


def _torchmetrics_accuracy(p: Predictions) -> float:
    from torchmetrics.functional.classification import multiclass_accuracy

    return float(multiclass_accuracy(*_tensors(p), NUM_CLASSES, average="micro"))


def _torchmetrics_error(norm: str) -> Number:
    def error(p: Predictions) -> float:
        from torchmetrics.functional.classification import multiclass_calibration_error

        given = (*_tensors(p), NUM_CLASSES, NUM_BINS, norm)
        return float(multiclass_calibration_error(*given))

    return error


def _torchmetrics_classwise(p: Predictions) -> float:
    from torchmetrics.functional.classification import binary_calibration_error

    probabilities, labels = _tensors(p)
    found = [
        binary_calibration_error(column.contiguous(), (labels == c).int(), NUM_BINS)
        for c, column in enumerate(probabilities.T)
    ]
    return float(sum(found)) / NUM_CLASSES


def _torchmetrics_crps(p: Predictions) -> float:
    from torchmetrics.functional.regression import continuous_ranked_probability_score

    given = torch.from_numpy(p.draws_by_example), torch.from_numpy(p.targets)
    return float(continuous_ranked_probability_score(*given))


def _sklearn_nll(p: Predictions) -> float:
    from sklearn.metrics import log_loss

    return log_loss(p.labels, p.probabilities)


def _sklearn_brier(p: Predictions) -> float:
    from sklearn.metrics import brier_score_loss

    return brier_score_loss(p.labels, p.probabilities)


def _sklearn_diagram(p: Predictions) -> float:
    from sklearn.calibration import calibration_curve

    hits = p.probabilities.argmax(axis=1) == p.labels
    accuracy, _ = calibration_curve(hits, p.probabilities.max(axis=1), n_bins=NUM_BINS)
    return accuracy.mean()


def _sklearn_class_diagrams(p: Predictions) -> float:
    from sklearn.calibration import calibration_curve

    columns = enumerate(p.probabilities.T)
    return np.mean([
        calibration_curve(p.labels == c, column, n_bins=NUM_BINS)[0].mean()
        for c, column in columns
    ])


def _scipy_uncertainty(p: Predictions) -> float:
    from scipy.stats import entropy

    expected = entropy(p.samples, axis=-1).mean(axis=0)
    return (entropy(p.samples.mean(axis=0), axis=-1) - expected).mean()


def _sklearn_auroc(p: Predictions) -> float:
    from sklearn.metrics import roc_auc_score

    return roc_auc_score(p.is_out, p.scores)


def _sklearn_aupr(sign: int) -> Number:
    def area(p: Predictions) -> float:
        from sklearn.metrics import average_precision_score

        return average_precision_score(p.is_out == (sign > 0), sign * p.scores)

    return area


def _sklearn_fpr(p: Predictions) -> float:
    from sklearn.metrics import roc_curve

    false_positives, recall, _ = roc_curve(p.is_out, p.scores)
    return false_positives[np.argmax(recall >= RECALL)]


def _sklearn_detection_error(p: Predictions) -> float:
    from sklearn.metrics import roc_curve

    false_positives, recall, _ = roc_curve(p.is_out, p.scores)
    return ((false_positives + 1 - recall) / 2).min()


def _sklearn_temperature(p: Predictions) -> float:
    # Private, but what CalibratedClassifierCV(method="temperature") runs, without the
    # pass of its classifier.
    from sklearn.calibration import _TemperatureScaling

    return 1 / float(_TemperatureScaling().fit(p.probabilities, p.labels).beta_)


def _sklearn_isotonic(p: Predictions) -> float:
    from sklearn.isotonic import IsotonicRegression

    maps = [
        IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(
            column, p.labels == c
        )
        for c, column in enumerate(p.probabilities.T)
    ]
    return maps[0].predict([0.5])[0]


def _scipy_nll(p: Predictions) -> float:
    from scipy.stats import norm

    return -norm.logpdf(p.targets, p.mean, p.deviation).mean()


TORCHMETRICS, SKLEARN, SCIPY = "torchmetrics", "scikit-learn", "scipy"

PEERS: dict[str, Peer] = {
    "accuracy": Peer(TORCHMETRICS, _torchmetrics_accuracy),
    "nll": Peer(SKLEARN, _sklearn_nll),
    "brier": Peer(SKLEARN, _sklearn_brier),
    "ece": Peer(TORCHMETRICS, _torchmetrics_error("l1")),
    "mce": Peer(TORCHMETRICS, _torchmetrics_error("max")),
    "classwise_ece": Peer(TORCHMETRICS, _torchmetrics_classwise),
    "rms_ce": Peer(TORCHMETRICS, _torchmetrics_error("l2")),
    "reliability": Peer(SKLEARN, _sklearn_diagram),
    "class_reliability": Peer(SKLEARN, _sklearn_class_diagrams),
    "uncertainty": Peer(SCIPY, _scipy_uncertainty),
    "auroc": Peer(SKLEARN, _sklearn_auroc),
    "aupr_out": Peer(SKLEARN, _sklearn_aupr(1)),
    "aupr_in": Peer(SKLEARN, _sklearn_aupr(-1)),
    "fpr95": Peer(SKLEARN, _sklearn_fpr),
    "detection_error": Peer(SKLEARN, _sklearn_detection_error),
    "temperature": Peer(SKLEARN, _sklearn_temperature),
    "isotonic": Peer(SKLEARN, _sklearn_isotonic),
    "regression_nll": Peer(SCIPY, _scipy_nll),
    "crps_draws": Peer(TORCHMETRICS, _torchmetrics_crps),
}

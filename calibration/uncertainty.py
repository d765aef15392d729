"""How uncertain a prediction is, and how much of that more data could remove.

For one number an example take `predictive_uncertainty`, from 0 (certain) to 1 (knows
nothing); `decompose` says where it comes from, and `variation_ratio` and
`predictive_variance` say in other units how far posterior samples disagree.

*Papers*: Houlsby et al. (2011), arXiv:1112.5745, eq. 2; Depeweg et al. (2018),
arXiv:1710.07283, section 3; Freeman (1965), Elementary Applied Statistics (variation
ratio).

*Symbols* (y the class, w the weights, p_s the probabilities of posterior sample s)::

    H[mean_s p_s]           total               what the prediction leaves open
    mean_s H[p_s]           expected            what each sample leaves open (aleatoric)
    their difference        mutual_information  what the samples dispute (epistemic),
                                                I(y; w), at least 0 by Jensen
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._checks import check_distributions, check_probabilities
from calibration._predictions import Predicted, entropy_of


@dataclass(frozen=True, kw_only=True, eq=False)
class UncertaintyDecomposition:
    """The three entropies of each example, in nats, in 0..log C.

    Args:
        total: Entropy of the posterior predictive, ``[N]``.
        expected: Mean entropy of the samples, ``[N]``.
        mutual_information: Total less expected, ``[N]``.
    """

    total: NDArray[np.float64]
    expected: NDArray[np.float64]
    mutual_information: NDArray[np.float64]


def entropy(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return the Shannon entropy over the last axis, with 0 log 0 = 0.

    Args:
        probabilities: Class probabilities, ``[..., C]``.

    Returns:
        Nats, from 0 (one class certain) to log C (all equal), ``[...]``.
    """
    return entropy_of(check_distributions(probabilities))


def decompose(probabilities: ArrayLike) -> UncertaintyDecomposition:
    """Split predictive uncertainty into what the data and what the weights leave open.

    Args:
        probabilities: Class probabilities, ``[S, N, C]``, or ``[N, C]`` for a single
            model, whose mutual information is 0 because it has no one to disagree with.

    Returns:
        Total, expected and mutual information, ``[N]`` each.
    """
    found = Predicted(probabilities)
    return UncertaintyDecomposition(
        total=found.total,
        expected=found.expected,
        mutual_information=found.mutual_information,
    )


def predictive_uncertainty(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return the one number that says how uncertain each prediction is.

    It is the entropy of the posterior predictive as a share of the largest there is,
    log C. 0: one class is certain. 1: all classes are equally probable, the prediction
    knows nothing. Between two classes out of ten the toss of a coin has
    log 2 / log 10 = 0.30. It is no probability of an error; for that take 1 less the
    largest probability, if the model is calibrated. It counts both what the data leaves
    open and what the weights do; `decompose` tells the two apart.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.

    Returns:
        Shares in 0..1, ``[N]``; 0 for one class, which leaves nothing open.
    """
    found = Predicted(probabilities)
    count, num_classes = found.rows.shape
    if num_classes == 1:
        return np.zeros(count)
    # Rounding can leave the uniform distribution a little above log C.
    shares: NDArray[np.float64] = found.total / np.log(num_classes)
    return np.minimum(shares, 1.0)


def variation_ratio(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return the share of samples that vote against the most frequent vote.

    Each sample votes for its most probable class, the first of equals.

    Args:
        probabilities: Class probabilities, ``[S, N, C]``, or ``[N, C]`` for a single
            model, whose one vote nothing opposes.

    Returns:
        Shares from 0 (all agree) to at most 1 - 1/min(S, C), ``[N]``.
    """
    return dissent(check_probabilities(probabilities))


def dissent(samples: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """`variation_ratio` of checked samples, ``[S, N, C]`` or ``[N, C]``."""
    if samples.ndim == 2:
        return np.zeros(len(samples))
    _, num_examples, num_classes = samples.shape
    votes = np.zeros((num_examples, num_classes), dtype=np.int32)
    for sample in samples:
        votes[np.arange(num_examples), sample.argmax(axis=1)] += 1
    shares: NDArray[np.float64] = 1 - votes.max(axis=1) / len(samples)
    return shares


def predictive_variance(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return the variance of the probabilities over samples, summed over classes.

    It is the mean squared distance of the samples' probabilities to their mean.

    Args:
        probabilities: Class probabilities, ``[S, N, C]``, or ``[N, C]`` for a single
            model, which does not vary.

    Returns:
        Variances (sums of squares divided by S), from 0 (all agree) to at most
        1 - 1/min(S, C), ``[N]``.
    """
    samples = _samples(probabilities)
    if len(samples) == 1:
        return np.zeros(samples.shape[1])
    mean = samples.mean(axis=0, dtype=np.float64)
    total = np.zeros(len(mean))
    for sample in samples:  # one at a time, as above
        total += ((sample - mean) ** 2).sum(axis=1)
    return total / len(samples)


def _samples(probabilities: ArrayLike) -> NDArray[np.floating[Any]]:
    """Probabilities with an axis for samples, ``[S, N, C]``."""
    array = check_probabilities(probabilities)
    return array if array.ndim == 3 else array[None]

"""How uncertain a prediction is, and how much of that more data could remove.

*Papers*: Houlsby et al. (2011), arXiv:1112.5745, eq. 2; Depeweg et al. (2018),
arXiv:1710.07283, section 3.

*Symbols* (y the class, w the weights, p_s the probabilities of posterior sample s)::

    H[mean_s p_s]           total               what the prediction leaves open
    mean_s H[p_s]           expected            what each sample leaves open (aleatoric)
    their difference        mutual_information  what the samples dispute (epistemic),
                                                I(y; w), at least 0 by Jensen
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._checks import check_distributions, check_probabilities, predictive


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
    probabilities = np.asarray(check_distributions(probabilities), np.float64)
    logs = np.zeros_like(probabilities)
    np.log(probabilities, out=logs, where=probabilities > 0)
    # Rounding in float32 can leave a row a little above one, and its entropy below 0.
    nats: NDArray[np.float64] = np.maximum(-(probabilities * logs).sum(axis=-1), 0.0)
    return nats


def decompose(probabilities: ArrayLike) -> UncertaintyDecomposition:
    """Split predictive uncertainty into what the data and what the weights leave open.

    Args:
        probabilities: Class probabilities, ``[S, N, C]``, or ``[N, C]`` for a single
            model, whose mutual information is 0 because it has no one to disagree with.

    Returns:
        Total, expected and mutual information, ``[N]`` each.
    """
    probabilities = check_probabilities(probabilities)
    total = entropy(predictive(probabilities))
    if probabilities.ndim == 2:
        expected = total.copy()
    else:
        # One sample at a time: a float64 copy of all S could outgrow the memory.
        expected = np.mean([entropy(sample) for sample in probabilities], axis=0)
    return UncertaintyDecomposition(
        total=total,
        expected=expected,
        mutual_information=np.maximum(total - expected, 0.0),
    )

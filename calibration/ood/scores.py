"""Scores that say how far out of distribution an example looks, from its prediction.

*Convention*: larger means more out of distribution, for all of them.

*Papers*: Hendrycks and Gimpel (2017), arXiv:1610.02136 (largest probability); Houlsby
et al. (2011), arXiv:1112.5745, eq. 2 (mutual information); Liu et al. (2020),
arXiv:2010.03759, eq. 4 (energy); Hendrycks et al. (2022), arXiv:1911.11132 (largest
logit).

Probabilities are ``[N, C]`` or ``[S, N, C]``. Logits, ``[N, C]`` or ``[S, N, C]``, are
what softmax turns into probabilities; nothing can tell them from probabilities by
their values alone, so it is up to the caller to pass the right array.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._checks import as_array
from calibration._predictions import Predicted

Scores = NDArray[np.float64]


def max_probability_score(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return one less the largest probability of the posterior predictive.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.

    Returns:
        Scores from 0 (certain) to 1 - 1/C, ``[N]``.
    """
    return _doubt(Predicted(probabilities))


def entropy_score(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return the entropy of the posterior predictive: total uncertainty.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.

    Returns:
        Nats, from 0 (certain) to log C, ``[N]``.
    """
    return Predicted(probabilities).total


def expected_entropy_score(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return the mean entropy of the samples: aleatoric uncertainty.

    Args:
        probabilities: Class probabilities, ``[S, N, C]``, or ``[N, C]``, for which it
            is the entropy.

    Returns:
        Nats, in 0..log C, ``[N]``.
    """
    return Predicted(probabilities).expected


def mutual_information_score(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return how far the samples disagree: epistemic uncertainty.

    Args:
        probabilities: Class probabilities, ``[S, N, C]``, or ``[N, C]``, for which all
            scores are 0 and tell nothing.

    Returns:
        Nats, in 0..log C, ``[N]``.
    """
    return Predicted(probabilities).mutual_information


def energy_score(logits: ArrayLike, temperature: float = 1.0) -> NDArray[np.float64]:
    """Return the energy, -T log sum_c exp(logit_c / T).

    Args:
        logits: What softmax is applied to, ``[N, C]``, or ``[S, N, C]`` for the mean
            of the samples' energies (not the energy of mean logits).
        temperature: T, above 0; as T falls the energy tends to less the largest logit.

    Returns:
        Energies, in the unit of the logits and of either sign, ``[N]``.

    Raises:
        ValueError: If logits have another shape or are not finite, or T is not a
            finite number above 0.
    """
    if not (np.isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature must be above 0 and finite, got {temperature}.")

    def energy(sample: NDArray[np.float64]) -> NDArray[np.float64]:
        largest = sample.max(axis=-1, keepdims=True)
        # Only hugely negative numbers can overflow here, whose exponential is 0.
        with np.errstate(over="ignore", under="ignore"):
            powers = np.exp((sample - largest) / temperature).sum(axis=-1)
        scores: NDArray[np.float64] = -largest[:, 0] - temperature * np.log(powers)
        return scores

    return _mean_over_samples(energy, logits)


def max_logit_score(logits: ArrayLike) -> NDArray[np.float64]:
    """Return less the largest logit.

    Args:
        logits: What softmax is applied to, ``[N, C]``, or ``[S, N, C]`` for the mean
            of the samples' scores.

    Returns:
        Scores, in the unit of the logits and of either sign, ``[N]``.
    """
    return _mean_over_samples(lambda sample: -sample.max(axis=-1), logits)


def _doubt(found: Predicted) -> Scores:
    scores: Scores = 1 - found.confidence
    return scores


def check_logits(logits: ArrayLike, name: str = "logits") -> NDArray[np.floating[Any]]:
    """Return logits as an array, if they can be.

    Args:
        logits: What softmax is applied to, ``[N, C]`` or ``[S, N, C]``.
        name: What to call the argument in an error.

    Returns:
        The same numbers as an array of their own float type.

    Raises:
        ValueError: If the array has another number of axes, is empty, is not of a
            float type, or holds an entry that is not finite.
    """
    array = as_array(logits, name)
    if array.ndim not in {2, 3} or array.size == 0:
        raise ValueError(
            f"{name} must be non-empty, [N, C] or [S, N, C] (posterior samples first), "
            f"got shape {array.shape}."
        )
    if array.dtype.kind != "f":
        raise ValueError(f"{name} must be floating point, got dtype {array.dtype}.")
    # Both are NaN where any entry is.
    if not (np.isfinite(array.min()) and np.isfinite(array.max())):
        place = tuple(int(axis[0]) for axis in np.nonzero(~np.isfinite(array)))
        raise ValueError(
            f"{name} must be finite, got {array[place]} at {name}{list(place)}. "
            "Did training diverge, or were log-probabilities passed?"
        )
    return array


def _mean_over_samples(
    score: Callable[[NDArray[np.float64]], NDArray[np.float64]], logits: ArrayLike
) -> NDArray[np.float64]:
    array = check_logits(logits)
    samples = array if array.ndim == 3 else array[None]
    total = np.zeros(samples.shape[1])
    # One sample at a time: a float64 copy of all S could outgrow the memory.
    for sample in samples:
        total += score(sample.astype(np.float64))
    return total / len(samples)


@dataclass(frozen=True)
class Score:
    """One entry of the catalogue.

    Args:
        title: Its name on a page.
        needs: "probabilities", "samples" (of probabilities, at least 2), or "logits".
        function: Maps predictions that were checked, or logits, to scores ``[N]``.
    """

    title: str
    needs: Literal["probabilities", "samples", "logits"]
    function: Callable[[Any], Scores]


SCORES: Mapping[str, Score] = MappingProxyType({
    "entropy": Score("Predictive entropy", "probabilities", attrgetter("total")),
    "max_probability": Score("Maximum probability", "probabilities", _doubt),
    "mutual_information": Score(
        "Mutual information", "samples", attrgetter("mutual_information")
    ),
    "expected_entropy": Score("Expected entropy", "samples", attrgetter("expected")),
    "energy": Score("Energy", "logits", energy_score),
    "max_logit": Score("Maximum logit", "logits", max_logit_score),
})


def all_scores(
    probabilities: ArrayLike, logits: ArrayLike | None = None
) -> dict[str, Scores]:
    """Compute every score of `SCORES` that the predictions allow.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``. Expected
            entropy and mutual information are there where S is at least 2; of a single
            model the one is its entropy again and the other 0.
        logits: What softmax was applied to, ``[N, C]`` or ``[S, N, C]``; without them
            there is no energy and no largest logit.

    Returns:
        Scores ``[N]`` by name, larger meaning more out of distribution.

    Raises:
        ValueError: If an argument is invalid, or the two disagree in N or C.
    """
    found = Predicted(probabilities)
    arguments: dict[str, Any] = {"probabilities": found}
    if found.num_samples > 1:
        arguments["samples"] = found
    if logits is not None:
        arguments["logits"] = check_logits(logits)
        shape = arguments["logits"].shape[-2:]
        if shape != found.rows.shape:
            raise ValueError(
                f"logits must have N, C = {found.rows.shape} like the probabilities, "
                f"got shape {arguments['logits'].shape}."
            )
    return {
        name: score.function(arguments[score.needs])
        for name, score in SCORES.items()
        if score.needs in arguments
    }

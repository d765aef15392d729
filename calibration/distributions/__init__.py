"""Predictive distributions of a real target: what regression is judged by.

Three forms cover what models give: a mean and a deviation (`Gaussian`), those of every
posterior sample (`GaussianMixture`, the posterior predictive of a Bayesian network with
Gaussian noise), and draws of the target itself (`Empirical`). Each knows its density,
distribution function, quantiles and CRPS; `calibration.regression` needs no more.

*Symbols*: y target, F distribution function, X and X' independent draws from F::

    CRPS(F, y) = integral (F(x) - [x >= y])^2 dx = E|X - y| - E|X - X'| / 2

in the unit of y; for a point forecast it is the absolute error (Gneiting and Raftery
2007, JASA 102:359, eqs. 20-21).

*Conventions*: deviations are standard deviations, not variances, and include the noise
of the data: the spread of the weights alone makes any model overconfident. Draws
likewise are of the target, not of its mean. Several outputs an example are raveled to
one vector, with the example as `groups=` of the measures.
"""

from calibration.distributions.base import LARGEST, PredictiveDistribution
from calibration.distributions.empirical import Empirical
from calibration.distributions.gaussian import Gaussian
from calibration.distributions.mixture import GaussianMixture

__all__ = [
    "LARGEST",
    "Empirical",
    "Gaussian",
    "GaussianMixture",
    "PredictiveDistribution",
]

"""What the numbers come to, in plain sentences, each computed from them.

A sentence claims no more than the intervals allow: what may be chance is said to be.
"""

from calibration.report.words.comparison import comparison_sentence
from calibration.report.words.limits import limitations
from calibration.report.words.model import ALMOST_SURE, summary

__all__ = ["ALMOST_SURE", "comparison_sentence", "limitations", "summary"]

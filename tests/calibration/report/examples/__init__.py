"""A finished report with realistic numbers in every section, and ones with gaps."""

from tests.calibration.report.examples.models import example_model
from tests.calibration.report.examples.numbers import estimate, four, share
from tests.calibration.report.examples.one_by_one import example_posterior, picture
from tests.calibration.report.examples.reports import bare_report, example_report

__all__ = [
    "bare_report",
    "estimate",
    "example_model",
    "example_posterior",
    "example_report",
    "four",
    "picture",
    "share",
]

"""A report that one can sign, from predictions: HTML, PDF, JSON, CSV, Markdown.

    models = [read_predictions(Path("predictions.npz"))]
    write_report(build_report(models), Path("report"))

Three steps, each with one result: arrays are checked (`Predictions`), every number is
measured (`ReportData`, which is `report.json`), and renderers show it.
"""

from calibration.report.build import build_report
from calibration.report.checks import PredictionsError
from calibration.report.data import ReportData
from calibration.report.encoding import decode_report
from calibration.report.export import write_report
from calibration.report.predictions import Features, Predictions
from calibration.report.reading import predictions_of, read_predictions

__all__ = [
    "Features",
    "Predictions",
    "PredictionsError",
    "ReportData",
    "build_report",
    "decode_report",
    "predictions_of",
    "read_predictions",
    "write_report",
]

"""All sections in their order: a finished report as a document."""

from calibration.report.data import ReportData
from calibration.report.document import Document
from calibration.report.sections import closing, decisions, opening
from calibration.report.sections.classes import per_class
from calibration.report.sections.conformal import conformal
from calibration.report.sections.context import Context
from calibration.report.sections.examples import confidently_wrong
from calibration.report.sections.ood import out_of_distribution
from calibration.report.sections.posterior import posterior_health
from calibration.report.sections.recalibration import recalibration
from calibration.report.sections.reliability import reliability
from calibration.report.sections.shift import shift

_SECTIONS = (
    opening.summary,
    opening.headline,
    reliability,
    recalibration,
    conformal,
    decisions.selective,
    decisions.right_and_wrong,
    out_of_distribution,
    shift,
    confidently_wrong,
    per_class,
    posterior_health,
    closing.methods,
    closing.limitations,
    closing.not_in_report,
)


def to_document(report: ReportData) -> Document:
    """Put a report into words, tables and charts.

    Args:
        report: The report.

    Returns:
        The document; what was not measured is in its list of such things.
    """
    context = Context(report)
    sections = [make(context) for make in _SECTIONS]
    return Document(
        title=report.title,
        subtitle=opening.subtitle(context),
        facts=opening.facts(context),
        sections=[section for section in sections if section is not None],
    )

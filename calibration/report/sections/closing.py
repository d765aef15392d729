"""What each measure is, what the numbers do not say, and what was not measured."""

from calibration.definitions import MEASURES
from calibration.report.data import ModelReport
from calibration.report.document import Block, Bullets, Section, Term, Terms, Text
from calibration.report.formats import counted, listed
from calibration.report.sections.context import Context

ABSENT = {
    "recalibration": "Recalibration: not tried, as there were too few examples or it "
    "was not asked for.",
    "conformal": "Conformal sets: not measured, as no examples were set aside.",
    "ood": "Out of distribution: not measured, as no out-of-distribution set was "
    "given.",
    "shift": "Distribution shift: not measured, as no corrupted examples were given.",
    "confidently_wrong": "Confidently wrong examples: none is known.",
    "classes": "Class by class: not measured.",
    "posterior": "Posterior health: not measured, as no posterior over parameters was "
    "given.",
    "at_mean": "Numbers at the posterior mean: not measured, as predictions at the "
    "mean were not given.",
}


def methods(context: Context) -> Section:
    """Each measure in a sentence, with its reference."""
    terms = [
        Term(title=each.title, sentence=each.sentence, reference=each.reference)
        for each in MEASURES.values()
    ]
    bins = counted(context.report.num_bins, "bin")
    told = (
        f"Calibration errors and diagrams use {bins}, closed on the right; empty bins "
        "are left out. Intervals hold the true value in 95 of 100 test sets: Wilson's "
        "for proportions, DeLong's for the area under the ROC curve, Student's for "
        "means, the bootstrap over examples for all others. Entropies are in nats."
    )
    return Section(
        slug="methods",
        title="Methods and definitions",
        blocks=[Text(told), Terms(terms)],
    )


def limitations(context: Context) -> Section | None:
    """What the numbers do not say."""
    if not context.report.limitations:
        return None
    blocks: list[Block] = [Bullets(context.report.limitations)]
    return Section(slug="limitations", title="Limitations", blocks=blocks)


def _could_have(model: ModelReport, name: str) -> bool:
    """Whether it is worth a line that a model lacks a section."""
    return name not in {"at_mean", "posterior"} or model.num_samples > 1


def not_in_report(context: Context) -> Section | None:
    """What was not measured, a line each instead of an empty section."""
    lines = []
    for name, told in ABSENT.items():
        without = [
            model.name
            for model in context.models
            if not getattr(model, name) and _could_have(model, name)
        ]
        if len(without) == len(context.models):
            lines.append(told)
        elif without:
            lines.append(f"{told.rstrip('.')} ({listed(without)}).")
    if not lines:
        return None
    return Section(slug="missing", title="Not in this report", blocks=[Bullets(lines)])

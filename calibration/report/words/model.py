"""What one model's numbers come to."""

from collections.abc import Sequence
from statistics import fmean

from calibration.metrics import LARGEST_NLL
from calibration.report import written
from calibration.report.data import LayerRow, ModelReport, OodSet, ShiftPoint
from calibration.report.formats import compact, count, counted, percent
from calibration.report.words.confidence import (
    calibration_sentence,
    recalibration_sentences,
)
from calibration.shift import averaged_kinds

ALMOST_SURE = 0.99


def summary(model: ModelReport) -> list[str]:
    """Say what a model's numbers come to.

    Args:
        model: The model; its own summary is not read.

    Returns:
        Sentences, the most important first.
    """
    sentences = [_accuracy(model), calibration_sentence(model), _impossible(model)]
    sentences += recalibration_sentences(model)
    sentences += [_selective(model), _wrong(model)]
    sentences += [_ood(each) for each in model.ood]
    sentences += _shift(model.shift) + _conformal(model) + _posterior(model.posterior)
    return [sentence for sentence in sentences if sentence]


def _accuracy(model: ModelReport) -> str:
    accuracy = model.metrics["accuracy"]
    if model.num_examples == 1:
        how = "correctly" if accuracy else "wrongly"
        return f"It classifies the only test example {how}."
    return (
        f"It classifies {percent(accuracy)} of {count(model.num_examples)} test "
        "examples correctly (95 % interval "
        f"{written.interval('accuracy', accuracy)} %)."
    )


def _impossible(model: ModelReport) -> str:
    number = model.num_impossible
    if number == 0:
        return ""
    examples = counted(number, "test example")
    return (
        f"It gives the true class of {examples} a probability of 0: "
        f"{'that' if number == 1 else 'each'} counts as {LARGEST_NLL:.1f} nats in the "
        "negative log-likelihood, which would be infinite."
    )


def _selective(model: ModelReport) -> str:
    risk = model.selective.risk_at_coverage.get("80")
    overall = model.selective.random
    # Where all are right, or all wrong, none can be told from the others.
    if risk is None or not 0 < overall < 1:
        return ""
    left, of_all = percent(risk), percent(overall)
    if left == of_all:
        return (
            "Leaving the 20 % it is least certain of to somebody else gains nothing: "
            f"{left} of the others are wrong, as of all."
        )
    return (
        "If the 20 % it is least certain of are left to somebody else, "
        f"{left} of the others are wrong, instead of {of_all} of all."
    )


def _wrong(model: ModelReport) -> str:
    if model.num_errors == 0:
        return "It makes no error on these examples."
    told = f"made with a confidence of {percent(ALMOST_SURE, 0)} or more."
    sure = model.num_sure_errors
    if model.num_errors == 1:
        return f"Its only error is {'' if sure else 'not '}{told}"
    number = count(sure) if sure else "None"
    verb = "is" if sure <= 1 else "are"
    return f"{number} of its {count(model.num_errors)} errors {verb} {told}"


def _ood(each: OodSet) -> str:
    score = each.scores[0]
    best = max(each.scores, key=lambda other: other.auroc)
    better = ""
    if best.name != score.name and best.auroc.low > score.auroc.high:
        better = f" {best.title} tells them apart better ({percent(best.auroc)})."
    return (
        f"{each.name}: an out-of-distribution example looks more uncertain "
        f"({score.title.lower()}) than a test example in {percent(score.auroc)} of all "
        "pairs; a threshold that catches 95 % of them also flags "
        f"{percent(score.fpr95)} of the test examples.{better}"
    )


def _shift(points: Sequence[ShiftPoint]) -> list[str]:
    clean = next((each for each in points if each.severity == 0), None)
    kinds = averaged_kinds(each.kind for each in points)
    worst = [each for each in points if each.severity == 5 and each.kind in kinds]
    if clean is None or not worst:
        return []

    def moved(name: str) -> str:
        mean = fmean(each.metrics[name] for each in worst)
        before, after = clean.metrics[name], mean
        return f"from {written.value(name, before)} to {written.value(name, after)}"

    return [
        f"Under the strongest corruptions ({counted(len(worst), 'kind')}) its accuracy "
        f"goes {moved('accuracy')} on average, and its expected calibration error "
        f"{moved('ece')}."
    ]


def _conformal(model: ModelReport) -> list[str]:
    rows = model.conformal.rows if model.conformal else []
    if not rows:
        return []
    best = min(rows, key=lambda row: (-row.promised, row.size))
    kept = best.coverage.high >= best.promised
    word = "hold" if kept else "fall short and hold"
    return [
        f"Prediction sets ({best.method}) that promise {percent(best.promised, 0)} "
        f"{word} the true class in {percent(best.coverage)} of the cases, with "
        f"{best.size:.2f} classes on average."
    ]


def _posterior(layers: Sequence[LayerRow]) -> list[str]:
    if not layers:
        return []
    least = min(layers, key=lambda row: row.signal_to_noise)
    return [
        f"Layer {least.name!r} has the least certain weights: half of them are smaller "
        f"than {compact(least.signal_to_noise)} times their own deviation."
    ]

"""What the numbers come to, in plain sentences, each computed from them.

A sentence claims no more than the intervals allow: what may be chance is said to be.
"""

from collections.abc import Sequence
from statistics import fmean

from calibration.intervals import Estimate
from calibration.report.data import (
    Bin,
    LayerRow,
    ModelReport,
    OodSet,
    ShiftPoint,
)
from calibration.shift import averaged_kinds

ALMOST_SURE = 0.99
SMALL_CLASS = 30  # examples below which a class says little
SMALL_SET = 1000  # examples below which a bin of fifteen holds some dozens
MEASURE_WORDS = {
    "accuracy": "accuracy",
    "nll": "negative log-likelihood",
    "brier": "Brier score",
    "ece": "expected calibration error",
}


def percent(share: float, digits: int = 1) -> str:
    """A share as text such as "90.1 %"; never 100 or 0 by rounding alone."""
    shown = f"{100 * share:.{digits}f}"
    if float(shown) == 100 and share < 1:
        return f"over {100 - 10**-digits:.{digits}f} %"
    if float(shown) == 0 and share > 0:
        return f"under {10**-digits:.{digits}f} %"
    return f"{shown} %"


def number(value: float) -> str:
    """A number as text with three significant digits at least, such as "0.0123"."""
    return f"{value:.3f}" if abs(value) >= 0.1 else f"{value:.3g}"


def count(value: int) -> str:
    """A count as text, such as "10,000"."""
    return f"{value:,}"


def interval(estimate: Estimate) -> str:
    """The 95 % interval of a share as text."""
    low, high = 100 * estimate.low, 100 * estimate.high
    return f"95 % interval {low:.1f} to {high:.1f} %"


def summary(model: ModelReport) -> list[str]:
    """Say what a model's numbers come to.

    Args:
        model: The model; its own summary is not read.

    Returns:
        Sentences, the most important first.
    """
    sentences = [_accuracy(model), calibration_sentence(model)]
    sentences += _recalibration(model)
    sentences += [_selective(model), _wrong(model)]
    sentences += [_ood(each) for each in model.ood]
    sentences += _shift(model.shift) + _conformal(model) + _posterior(model.posterior)
    return [sentence for sentence in sentences if sentence]


def _accuracy(model: ModelReport) -> str:
    accuracy = model.metrics["accuracy"]
    return (
        f"It classifies {percent(accuracy)} of {count(model.num_examples)} test "
        f"examples correctly ({interval(accuracy)})."
    )


def calibration_sentence(model: ModelReport) -> str:
    """Say whether confidence can be taken at its word, with the bin that shows it."""
    over = model.metrics["overconfidence"]
    ece = percent(model.metrics["ece"], 1)
    if over.low <= 0 <= over.high:
        return _even(model, ece)
    kind = "overconfident" if over > 0 else "underconfident"
    found = _telling_bin(model.reliability.equal_width, over > 0)
    if found is None:
        confidence, accuracy = (
            model.metrics["mean_confidence"],
            model.metrics["accuracy"],
        )
        shown = (
            f"on average it says {percent(confidence)} and is right "
            f"{percent(accuracy)} of the time"
        )
    else:
        shown = (
            f"when it says about {percent(found.confidence, 0)} it is right "
            f"{percent(found.accuracy, 0)} of the time"
        )
    return f"The model is {kind}: {shown} (expected calibration error {ece})."


def _even(model: ModelReport, ece: str) -> str:
    bins = model.reliability.equal_width
    off = [each for each in bins if _significant(each)]
    # Of B honest intervals of 95 % one in twenty misses by chance.
    if len(off) <= max(1, len(bins) // 10):
        return (
            "Its confidence can be taken at its word: it is neither over- nor "
            "underconfident on average, and confidence and accuracy differ by no more "
            f"than chance in {len(bins) - len(off)} of {len(bins)} bins (expected "
            f"calibration error {ece})."
        )
    worst = max(off, key=_weight)
    return (
        "On average it is neither over- nor underconfident, but single confidences "
        f"mislead: when it says about {percent(worst.confidence, 0)} it is right "
        f"{percent(worst.accuracy, 0)} of the time (expected calibration error {ece})."
    )


def _telling_bin(bins: Sequence[Bin], over: bool) -> Bin | None:
    """The bin that adds most to the error in that direction, beyond chance."""
    telling = [
        each
        for each in bins
        if _significant(each) and (each.confidence > each.accuracy) == over
    ]
    return max(telling, key=_weight, default=None)


def _significant(each: Bin) -> bool:
    return not each.accuracy_low <= each.confidence <= each.accuracy_high


def _weight(each: Bin) -> float:
    return each.count * abs(each.confidence - each.accuracy)


def _recalibration(model: ModelReport) -> list[str]:
    found = model.recalibration
    if found is None:
        return []
    best = next((each for each in found.methods if each.name == found.best), None)
    if best is None:
        return [
            "Recalibration gains nothing: no method lowers the cross-validated "
            f"negative log-likelihood of the {count(found.num_fitted)} examples that "
            "were fitted on."
        ]
    before, after = found.before["ece"], best.metrics["ece"]
    verb = "lowers" if after < before else "does not lower"
    fitted = f" ({best.fitted})" if best.fitted else ""
    ends = f"from {percent(before)} to {percent(after)}"
    change = best.nll_change
    chance = ", which may be chance" if change.low <= 0 <= change.high else ""
    return [
        f"{best.title}{fitted}, fitted on {count(found.num_fitted)} other examples, "
        f"{verb} the expected calibration error ({ends}) and changes the negative "
        f"log-likelihood by {change:+.4f}{chance}."
    ]


def _selective(model: ModelReport) -> str:
    risk = model.selective.risk_at_coverage.get("80")
    overall = 1 - model.metrics["accuracy"]
    if risk is None or overall == 0:
        return ""
    return (
        "If the 20 % it is least certain of are left to somebody else, "
        f"{percent(risk)} of the others are wrong, instead of {percent(overall)} of "
        "all."
    )


def _wrong(model: ModelReport) -> str:
    if model.num_errors == 0:
        return "It makes no error on these examples."
    return (
        f"Of its {count(model.num_errors)} errors {count(model.num_sure_errors)} are "
        f"made with a confidence of {percent(ALMOST_SURE, 0)} or more."
    )


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

    def average(name: str) -> float:
        return fmean(each.metrics[name] for each in worst)

    return [
        f"Under the strongest corruptions ({len(worst)} kinds) its accuracy goes from "
        f"{percent(clean.metrics['accuracy'])} to {percent(average('accuracy'))} on "
        f"average, and its expected calibration error from "
        f"{percent(clean.metrics['ece'])} to {percent(average('ece'))}."
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
        f"{number(best.size)} classes on average."
    ]


def _posterior(layers: Sequence[LayerRow]) -> list[str]:
    if not layers:
        return []
    least = min(layers, key=lambda row: row.signal_to_noise)
    return [
        f"Layer {least.name!r} has the least certain weights: half of them are smaller "
        f"than {number(least.signal_to_noise)} times their own deviation."
    ]


def comparison_sentence(
    first: str, second: str, differences: dict[str, Estimate]
) -> str:
    """Say which of two models is better at what, beyond chance.

    Args:
        first: Name of the one.
        second: Name of the other.
        differences: Second less first, with intervals.

    Returns:
        A sentence.
    """
    better: dict[str, list[str]] = {first: [], second: []}
    even = []
    for name, change in differences.items():
        words = MEASURE_WORDS[name]
        if change.low <= 0 <= change.high:
            even.append(words)
        else:
            second_wins = (change < 0) != (name == "accuracy")
            better[second if second_wins else first].append(words)
    parts = [
        f"{name} has the better {_listed(won)}" for name, won in better.items() if won
    ]
    if even:
        parts.append(f"the difference in {_listed(even)} may be chance")
    text = "; ".join(parts)
    return f"On the same examples {text}." if parts else ""


def _listed(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def limitations(models: Sequence[ModelReport]) -> list[str]:
    """Say what a report's numbers do not tell.

    Args:
        models: The models.

    Returns:
        Sentences, those about these models first.
    """
    found = [text for model in models for text in _limits(model)]
    return [*dict.fromkeys(found), *_ALWAYS]


def _limits(model: ModelReport) -> list[str]:
    found = []
    if model.num_examples < SMALL_SET:
        found.append(
            f"{model.name}: {count(model.num_examples)} test examples are few; read "
            "the intervals, not the numbers."
        )
    small = [each for each in model.classes if each.count < SMALL_CLASS]
    if small:
        found.append(
            f"{model.name}: {len(small)} of {model.num_classes} classes have fewer "
            f"than {SMALL_CLASS} test examples."
        )
    if model.recalibration and "half" in model.recalibration.fitted_on:
        found.append(
            f"{model.name}: no validation predictions were given; recalibration and "
            "conformal sets are fitted on one half of the test examples and judged on "
            "the other."
        )
    if 1 < model.num_samples < 10:
        found.append(
            f"{model.name}: mutual information of {model.num_samples} posterior "
            "samples is coarse and too small on average."
        )
    return found


_ALWAYS = (
    "Intervals tell how far a number may be off because the test examples are a "
    "sample. They do not tell how it would differ with another training seed.",
    "Calibration on these test examples says nothing about examples of another kind; "
    "see distribution shift and out of distribution, where measured.",
    "Binned calibration errors depend on the number of bins and are biased upwards; "
    "compare them between models on the same examples and bins only.",
    "Conformal coverage holds on average over examples like those that were fitted on, "
    "not for each class or each example.",
)

"""Whether a model's confidence can be taken at its word, and what would mend it."""

from collections.abc import Sequence

from calibration.report import written
from calibration.report.data import Bin, ModelReport
from calibration.report.formats import count, percent


def calibration_sentence(model: ModelReport) -> str:
    """Say whether confidence can be taken at its word, with the bin that shows it."""
    over = model.metrics["overconfidence"]
    ece = written.value("ece", model.metrics["ece"])
    if over.low <= 0 <= over.high:
        return _even(model, ece)
    kind = "overconfident" if over > 0 else "underconfident"
    found = _telling_bin(model.reliability.equal_width, over > 0)
    if found is None:
        says, right = model.metrics["mean_confidence"], model.metrics["accuracy"]
        shown = (
            f"on average it says {percent(says)} and is right {percent(right)} of the "
            "time"
        )
    else:
        shown = _shown(found)
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
        f"mislead: {_shown(worst)} (expected calibration error {ece})."
    )


def _shown(each: Bin) -> str:
    said = percent(each.confidence, 0)
    # Where rounding would give 100 or 0 %, it is "over" or "under" and not "about".
    about = "about " if said[0].isdigit() else ""
    return (
        f"when it says {about}{said} it is right {percent(each.accuracy, 0)} of the "
        "time"
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


def recalibration_sentences(model: ModelReport) -> list[str]:
    """Say what the best recalibration method gains, if any was tried."""
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
    ends = " to ".join(written.value("ece", each) for each in (before, after))
    change = best.nll_change
    chance = ", which may be chance" if change.low <= 0 <= change.high else ""
    return [
        f"{best.title}{fitted}, fitted on {count(found.num_fitted)} other examples, "
        f"{verb} the expected calibration error (from {ends}) and changes the negative "
        f"log-likelihood by {change:+.4f}{chance}."
    ]

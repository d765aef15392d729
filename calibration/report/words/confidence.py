"""Whether a model's confidence can be taken at its word, and what would mend it."""

from collections.abc import Sequence

from scipy.special import bdtr, bdtrc

from calibration.report import written
from calibration.report.data import Bin, ModelReport
from calibration.report.formats import count, counted, percent

# What a reader takes for the same number: "about 90 %" may be 85 or 95. What is not
# known to within so much is not called calibrated, nor is a model of fewer examples
# than 1 / PRECISION = 20, of which a single one moves the accuracy by more.
PRECISION = 0.05
_CHANCE = 0.05  # how often a sentence may claim what chance made
_TRUSTED = 1000  # examples from which on the interval of the bias is trusted alone
_TOO = 0.1  # of the largest error: one of the other sign that is smaller is left out


def calibration_sentence(model: ModelReport) -> str:
    """Say whether confidence can be taken at its word, with the bins that show it."""
    bins = model.reliability.equal_width
    over = model.metrics["overconfidence"]
    if model.num_examples * PRECISION < 1:
        return _unknown(model)
    off = _misleading(bins)
    if not over.low <= 0 <= over.high:
        sided = [each for each in off if _is_over(each) == (over > 0)]
        if sided or _is_biased(model):
            return _biased(model, off, over > 0)
        return _mixed(model, off) if off else _unknown(model)
    if off:
        return _mixed(model, off)
    unsure = max(over.high, -over.low, model.metrics["ece"].high) > PRECISION
    return _unknown(model) if unsure else _calibrated(model)


def _ece(model: ModelReport) -> str:
    ece = written.value("ece", model.metrics["ece"])
    return f"(expected calibration error {ece})"


def _averages(model: ModelReport) -> str:
    says, right = model.metrics["mean_confidence"], model.metrics["accuracy"]
    return (
        f"on average it says {percent(says)} and is right {percent(right)} of the time"
    )


def _biased(model: ModelReport, off: Sequence[Bin], over: bool) -> str:
    kind = "overconfident" if over else "underconfident"
    sided = [each for each in off if _is_over(each) == over]
    shown = _shown(max(sided, key=_telling)) if sided else _averages(model)
    least = _TOO * max(map(_weight, off), default=0.0)
    others = [e for e in off if _is_over(e) != over and _weight(e) >= least]
    but = f", but {_shown(max(others, key=_telling))}" if others else ""
    return f"The model is {kind}: {shown}{but} {_ece(model)}."


def _mixed(model: ModelReport, off: Sequence[Bin]) -> str:
    worst = max(off, key=_weight)
    others = [
        each
        for each in off
        if _is_over(each) != _is_over(worst) and _weight(each) >= _TOO * _weight(worst)
    ]
    but = f", and {_shown(max(others, key=_weight))}" if others else ""
    return (
        "On average it is neither over- nor underconfident beyond chance, but single "
        f"confidences mislead: {_shown(worst)}{but} {_ece(model)}."
    )


def _unknown(model: ModelReport) -> str:
    number = counted(model.num_examples, "test example")
    verb = "is" if model.num_examples == 1 else "are"
    ends = written.interval("accuracy", model.metrics["accuracy"])
    return (
        f"{number} {verb} too few to tell whether its confidence can be taken at its "
        f"word: {_averages(model)} (95 % interval {ends} %; expected calibration error "
        f"{written.value('ece', model.metrics['ece'])}, most of which may be chance)."
    )


def _calibrated(model: ModelReport) -> str:
    bins = model.reliability.equal_width
    return (
        "Its confidence can be taken at its word: it is neither over- nor "
        f"underconfident on average, and in no bin, of {len(bins)}, do confidence and "
        f"accuracy differ by more than chance {_ece(model)}."
    )


def _shown(each: Bin) -> str:
    """A bin in words, with as many decimals as tell its two numbers apart."""
    for digits in (0, 1, 2, 3):
        said = percent(each.confidence, digits)
        right = percent(each.accuracy, digits)
        if said != right:
            break
    # Where rounding would give 100 or 0 %, it is "over" or "under" and not "about".
    about = "about " if said[0].isdigit() and 0 < each.confidence < 1 else ""
    return f"when it says {about}{said} it is right {right} of the time"


def _misleading(bins: Sequence[Bin]) -> list[Bin]:
    """The bins whose gap is more than chance, all bins taken together.

    Of many honest bins some look bad. Each may spend as much of the 5 % as it holds of
    the examples (Bonferroni's bound with weights): a bin of few examples must be far
    off, and one that holds nearly all is judged as if it were the only one. Too many
    gaps of small bins are more than chance as well, though none is by itself.
    """
    total = sum(each.count for each in bins)
    off = [each for each in bins if _chance(each) < _CHANCE * each.count / total]
    small = [each for each in bins if _chance(each) < _CHANCE]
    if off or not small or bdtrc(len(small) - 1, len(bins), _CHANCE) >= _CHANCE:
        return off
    return small


def _chance(each: Bin) -> float:
    """How often an honest bin would be so far off: the exact binomial test."""
    return _binomial(round(each.accuracy * each.count), each.count, each.confidence)


def _binomial(hits: int, number: int, share: float) -> float:
    share = min(1.0, max(0.0, share))
    below = float(bdtr(hits, number, share))
    above = float(bdtrc(hits - 1, number, share)) if hits > 0 else 1.0
    return min(1.0, 2 * min(below, above))


def _is_biased(model: ModelReport) -> bool:
    """Whether the averages show the bias that the interval tells of.

    Few examples that are all right have no spread, and an interval of no width.
    """
    if model.num_examples >= _TRUSTED:
        return True
    accuracy = model.metrics["accuracy"]
    hits = round(float(accuracy) * model.num_examples)
    says = float(model.metrics["mean_confidence"])
    return _binomial(hits, model.num_examples, says) < _CHANCE


def _is_over(each: Bin) -> bool:
    return each.confidence > each.accuracy


def _telling(each: Bin) -> float:
    """How much a bin says: its gap, against what chance makes of so many examples.

    By weight alone nearly every model would be shown by "99 %, right 98 %", where most
    predictions lie and no gap can be large.
    """
    return float(abs(each.confidence - each.accuracy) * each.count**0.5)


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
    fitted = f" ({best.fitted})" if best.fitted else ""
    change = best.nll_change
    chance = ", which may be chance" if change.low <= 0 <= change.high else ""
    moved = written.change("nll", change).text
    return [
        f"{best.title}{fitted}, fitted on {count(found.num_fitted)} other examples, "
        f"{_moved(found.before['ece'], best.metrics['ece'])} and changes the negative "
        f"log-likelihood by {moved}{chance}."
    ]


def _moved(before: float, after: float) -> str:
    """What becomes of the calibration error, as far as the reader can see it."""
    start, end = (written.value("ece", each) for each in (before, after))
    if start == end:
        return f"leaves the expected calibration error at {end}"
    verb = "lowers" if after < before else "raises"
    return f"{verb} the expected calibration error (from {start} to {end})"

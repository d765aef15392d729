"""What a report's numbers do not tell."""

from collections.abc import Sequence

from calibration.metrics import LARGEST_NLL, SMALLEST_PROBABILITY
from calibration.report.data import ModelReport
from calibration.report.formats import counted

SMALL_CLASS = 30  # examples below which a class says little
SMALL_SET = 1000  # examples below which a bin of fifteen holds some dozens


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
            f"{model.name}: {counted(model.num_examples, 'test example')} "
            f"{'is' if model.num_examples == 1 else 'are'} few; read the intervals, "
            "not the numbers."
        )
    if model.num_impossible:
        found.append(
            f"{model.name}: the true class of "
            f"{counted(model.num_impossible, 'test example')} has probability 0, which "
            f"the negative log-likelihood takes for {SMALLEST_PROBABILITY:.1e} "
            f"({LARGEST_NLL:.1f} nats) as it would be infinite otherwise: its mean "
            "tells how often that happens rather than how good the others are."
        )
    small = [each for each in model.classes if each.count < SMALL_CLASS]
    if small:
        found.append(
            f"{model.name}: {len(small)} of "
            f"{counted(model.num_classes, 'class')} "
            f"{'has' if len(small) == 1 else 'have'} fewer than {SMALL_CLASS} test "
            "examples."
        )
    fitted = [model.recalibration, model.conformal]
    if any(each is not None and not each.held_out for each in fitted):
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

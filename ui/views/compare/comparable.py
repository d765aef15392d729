"""Whether two entries were judged on the same examples: else a difference is none."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.families import data_name
from trainers.runs import RunError
from ui.components import predictions, reading
from ui.components.reading import Summary
from ui.views.compare.groups import Entry, identity
from ui.views.compare.measured import known, scores, why


def incomparable(baseline: Entry, entry: Entry) -> str:
    """Why an entry cannot be compared with the baseline, "" if it can."""
    for each, who in ((baseline, "the baseline: "), (entry, "")):
        if all(known(view, scores) is None for view in each.views):
            cause = RunError("its evaluation is damaged")
            return f"{who}{why(each.views[0], cause)}"
    pair = [_first_evaluated(each) for each in (baseline, entry)]
    first, second = (view.config for view in pair)
    if first and second and identity(first.dataset) != identity(second.dataset):
        (own, others) = (data_name(each.dataset) for each in (second, first))
        same = " of another folder" if own == others else ""
        return f"tested on other data, {own}{same} instead of {others}"
    try:
        (labels, rows), (other_labels, other_rows) = map(_examples, pair)
    except RunError as error:
        return f"what they were tested on cannot be read, {error}".rstrip(".")
    if len(labels) != len(other_labels):
        return (
            f"tested on other examples, {len(other_labels):,} instead of "
            f"{len(labels):,}"
        )
    if not np.array_equal(rows, other_rows) or not np.array_equal(labels, other_labels):
        return "tested on other examples of the same number"
    return ""


def _first_evaluated(entry: Entry) -> Summary:
    return next(view for view in entry.views if known(view, scores) is not None)


def _examples(view: Summary) -> tuple[NDArray[Any], NDArray[Any]]:
    """The labels of the test examples, and which of the dataset they are."""
    try:
        labels = predictions.array(view.run, "labels")
        return labels, predictions.array(view.run, "indices")
    except (RunError, OSError, ValueError) as error:
        raise RunError(reading.told(view.run, RunError(str(error)))) from None

"""Whether two entries were judged on the same examples: else a difference is none."""

import numpy as np

from trainers.config import DatasetConfig
from trainers.families import data_name
from trainers.runs import RunError
from ui.components.reading import Summary
from ui.components.same_data import examples, may_be_same_images, title
from ui.views.compare.groups import Entry
from ui.views.compare.measured import known, scores, why


def incomparable(baseline: Entry, entry: Entry) -> str:
    """Why an entry cannot be compared with the baseline, "" if it can."""
    for each, who in ((baseline, "the baseline: "), (entry, "")):
        if all(known(view, scores) is None for view in each.views):
            cause = RunError("its evaluation is damaged")
            return f"{who}{why(each.views[0], cause)}"
    pair = [_first_evaluated(each) for each in (baseline, entry)]
    data = [view.config.dataset for view in pair if view.config]
    if len({title(each) for each in data}) > 1:
        return _other_data(*data)
    try:
        (labels, rows), (other_labels, other_rows) = map(examples, pair)
    except RunError as error:
        return f"what they were tested on cannot be read, {error}".rstrip(".")
    if len(labels) != len(other_labels):
        return (
            f"tested on other examples, {len(other_labels):,} instead of "
            f"{len(labels):,}"
        )
    if not np.array_equal(rows, other_rows) or not np.array_equal(labels, other_labels):
        return "tested on other examples of the same number"
    if len({each.folder for each in data}) > 1 and not may_be_same_images(*pair):
        return _other_data(*data)
    return ""


def _other_data(*pair: DatasetConfig) -> str:
    others, own = map(data_name, pair)
    same = " of another folder" if own == others else ""
    return f"tested on other data, {own}{same} instead of {others}"


def _first_evaluated(entry: Entry) -> Summary:
    return next(view for view in entry.views if known(view, scores) is not None)

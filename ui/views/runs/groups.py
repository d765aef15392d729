"""Sweeps and races at a glance: a row a group, with its best setting over the seeds."""

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
from streamlit import column_config as config

from calibration.definitions import MEASURES as DEFINITIONS
from data import DATASETS
from trainers.catalogue import optimizer_spec
from trainers.families import family_key, one_a_seed
from trainers.status import ALIVE
from trainers.sweep import differing, label
from ui.components.latest import Latest, stamp_of
from ui.components.reading import Summary
from ui.components.same_data import by_data
from ui.components.states import LOOKS

MEASURES = {"accuracy": "Accuracy", "nll": "NLL", "ece": "ECE"}
SEED = "seed"
_OF_BEST = "Mean over the seeds of the best setting."


@dataclass(frozen=True)
class Group:
    """Runs that were launched together.

    Args:
        name: Its name.
        views: Its runs.
        num_settings: In how many ways they were configured, the seed aside.
        best: Those of the best setting, one a seed, see `_best_of`; none as long as
            no run was evaluated, and of runs on different data.
        axes: The settings in which they differ, the seed aside.
    """

    name: str
    views: tuple[Summary, ...]
    num_settings: int
    best: tuple[Summary, ...]
    axes: tuple[str, ...]


def groups(views: Sequence[Summary]) -> list[Group]:
    """The groups of some runs, the latest name first; runs without one are left out."""
    members: dict[str, list[Summary]] = {}
    for view in views:
        if view.group:
            members.setdefault(view.group, []).append(view)
    return [_group(name, members[name]) for name in sorted(members, reverse=True)]


def _group(name: str, views: Sequence[Summary]) -> Group:
    settings: dict[str, list[Summary]] = {}
    for view in views:
        if view.config is not None:
            settings.setdefault(family(view), []).append(view)
    configs = [view.config for view in views if view.config is not None]
    return Group(
        name=name,
        views=tuple(views),
        num_settings=len(settings),
        best=_best_of([*settings.values()]) if len(by_data(views)) == 1 else (),
        axes=tuple(axis for axis in differing(configs) if axis != SEED),
    )


def _best_of(settings: Sequence[Sequence[Summary]]) -> tuple[Summary, ...]:
    """The setting with the lowest mean NLL of those with the most seeds, one a seed.

    One lucky seed is no match for the mean of five. On different data an NLL means
    different things: who asks must see to that.
    """
    judged = [measured for views in settings if (measured := _measured(views))]
    most = max(map(len, judged), default=0)
    rivals = (group for group in judged if len(group) == most)
    return min(rivals, key=lambda group: spread(group, "nll")[0], default=())


def _measured(views: Sequence[Summary]) -> tuple[Summary, ...]:
    """The evaluated runs of a setting, one a seed, as on the page Compare."""
    known = [view for view in views if "nll" in view.metrics]
    return tuple(one_a_seed(known, lambda view: view.run, _seed))


def _seed(view: Summary) -> int:
    return view.config.training.seed if view.config else 0


_keys: Latest[str] = Latest()


def family(view: Summary) -> str:
    """What runs share that differ in the seed alone; a damaged run is on its own."""
    if view.config is None:
        return view.run.id
    stamp = stamp_of(view.run.config)
    known = _keys.get(view.run.config, stamp)
    return known or _keys.put(view.run.config, stamp, family_key(view.config))


def spread(views: Sequence[Summary], name: str) -> tuple[float, float | None]:
    """Mean and standard deviation of a metric over some runs.

    Args:
        views: Runs of which at least one has the metric.
        name: The metric.

    Returns:
        The mean, and the deviation of a sample (n - 1); None for a single run.
    """
    values = [view.metrics[name] for view in views if name in view.metrics]
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return statistics.fmean(values), deviation


def arrow(found: Sequence[Group], opened: str | None) -> pa.Table:
    """The table, a row a group.

    Args:
        found: The groups.
        opened: Name of the one whose runs are shown below, None for none.
    """
    content: dict[str, Any] = {
        "Open": [("Close" if group.name == opened else "Open") for group in found],
        "Compare": ["Compare"] * len(found),
        "Group": [group.name for group in found],
        "Runs": [len(group.views) for group in found],
        "Dataset": [_datasets(group.views) for group in found],
        "Optimizer": [_optimizers(group.views) for group in found],
        "Best setting": [_best(group) for group in found],
        "Seeds": [len(group.best) for group in found],
    }
    for name, title in MEASURES.items():
        pairs = [_pair(group.best, name) for group in found]
        scale = 100 if DEFINITIONS[name].percent else 1
        for place, column in enumerate((title, f"± {title}")):
            values = [pair[place] for pair in pairs]
            content[column] = pa.array(
                [None if value is None else scale * value for value in values],
                pa.float64(),
            )
    content["Settings"] = [group.num_settings for group in found]
    content["States"] = [_states(group.views) for group in found]
    content["Launched"] = pa.array(
        [_launched(group.views) for group in found], pa.timestamp("ms", tz="UTC")
    )
    return pa.table(content)


def _pair(views: Sequence[Summary], name: str) -> tuple[float | None, float | None]:
    known = any(name in view.metrics for view in views)
    return spread(views, name) if known else (None, None)


def _best(group: Group) -> str | None:
    if not group.best or group.best[0].config is None:
        return None
    name = label(group.best[0].config, group.axes) or "the only one"
    open_end = any(view.state in ALIVE for view in group.views)
    return f"{name} (so far)" if open_end else name


def _states(views: Sequence[Summary]) -> str:
    numbers = Counter(view.state for view in views)
    named = (name for name in LOOKS if numbers[name])
    return ", ".join(f"{numbers[name]} {LOOKS[name].label.lower()}" for name in named)


def _datasets(views: Sequence[Summary]) -> str:
    names = {view.config.dataset.name for view in views if view.config is not None}
    return ", ".join(DATASETS[name].title for name in sorted(names))


def _optimizers(views: Sequence[Summary]) -> str:
    names = {view.config.optimizer.name for view in views if view.config is not None}
    return ", ".join(optimizer_spec(name).title for name in sorted(names))


def _launched(views: Sequence[Summary]) -> datetime | None:
    created = [view.status.created for view in views if view.status is not None]
    return datetime.fromtimestamp(min(created), UTC) if created else None


def drawn(open_key: str, compare_key: str) -> dict[str, Any]:
    """How each column is drawn, by title.

    Args:
        open_key: Key of the buttons that open a group.
        compare_key: Key of those that set its settings side by side.
    """
    look: dict[str, Any] = {
        "Open": config.ButtonColumn("Open", type="tertiary", key=open_key, width=70),
        "Compare": config.ButtonColumn(
            "Compare", type="tertiary", key=compare_key, width=90
        ),
        "Group": config.TextColumn(width=160),
        "Runs": config.NumberColumn(width=60),
        "States": config.TextColumn(width=220),
        "Dataset": config.TextColumn(width=110),
        "Optimizer": config.TextColumn(width=105),
        "Settings": config.NumberColumn(
            width=80, help="In how many ways its runs were configured, the seed aside."
        ),
        "Best setting": config.TextColumn(
            width=150,
            help="The one with the lowest mean test NLL, of those with the most seeds. "
            "It was chosen on the test split, so its numbers flatter it a little. None "
            "where the runs have different data.",
        ),
        "Seeds": config.NumberColumn(
            width=65,
            help="Evaluated runs of the best setting, the newest of each seed.",
        ),
        "Launched": config.DatetimeColumn(format="distance", width=120),
    }
    formats = {"Accuracy": "%.1f %%", "NLL": "%.3f", "ECE": "%.2f %%"}
    for title, number in formats.items():
        look[title] = config.NumberColumn(format=number, width=85, help=_OF_BEST)
        look[f"± {title}"] = config.NumberColumn(
            format=number.replace(" %%", ""), width=85,
            help="Standard deviation over those seeds; empty for a single one.",
        )  # fmt: skip
    return look

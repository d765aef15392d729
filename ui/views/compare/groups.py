"""What is set side by side: runs, or families of runs that differ in the seed alone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from trainers.catalogue import model_spec, optimizer_spec
from trainers.config import RunConfig
from trainers.families import (
    data_name,
    families,
    family_key,
    one_a_seed,
    told_apart,
)
from trainers.status import ALIVE
from trainers.sweep import CHOICES, differing, label
from ui.components.reading import Summary
from ui.components.same_data import by_data

MOST = 10  # entries; more cannot be told apart
MOST_SEEDS = 20  # runs of a family that are read
LONGEST = 60  # characters of a name
_COLORS = 8
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "triangle-down")


@dataclass(frozen=True)
class Entry:
    """A run or a family, with its name and its look in every chart.

    Args:
        name: Tells it from the others; foreign text.
        views: Its runs, of a family one a seed, by seed.
        place: Its number from 0.
        left_out: Runs of the family that repeat a seed, or are beyond `MOST_SEEDS`.
    """

    name: str
    views: tuple[Summary, ...]
    place: int
    left_out: int = 0

    @property
    def id(self) -> str:
        """What the address calls it: its first run."""
        return self.views[0].run.id

    @property
    def is_family(self) -> bool:
        """Whether it has means and deviations over seeds."""
        return len(self.views) > 1

    @property
    def alive(self) -> bool:
        """Whether one of its runs may still change."""
        return any(view.state in ALIVE for view in self.views)

    @property
    def color(self) -> str:
        """A role of `ui.components.figure`."""
        return f"@{self.place % _COLORS + 1}"

    @property
    def dash(self) -> str:
        """Tells it apart without the colour, as Plotly names it."""
        return _DASHES[self.place % len(_DASHES)]

    @property
    def symbol(self) -> str:
        """The same for dots."""
        return _SYMBOLS[self.place % len(_SYMBOLS)]

    @property
    def seeds(self) -> list[int]:
        """The seeds of its runs, of those whose configuration can be read."""
        configs = (view.config for view in self.views)
        return [config.training.seed for config in configs if config is not None]


def entries(views: Sequence[Summary], by_seeds: bool) -> tuple[list[Entry], int]:
    """Make the entries of a comparison.

    Args:
        views: The runs, in order.
        by_seeds: Whether runs that differ in the seed alone become one entry.

    Returns:
        At most `MOST` entries, and how many were left out.
    """
    gathered: dict[str, list[Summary]] = {}
    for view in views:
        gathered.setdefault(_family(view) if by_seeds else view.run.id, []).append(view)
    found = list(gathered.values())
    chosen = [_one_a_seed(each)[:MOST_SEEDS] for each in found[:MOST]]
    rows = zip(_names(chosen), chosen, found, strict=False)
    made = [
        Entry(name, tuple(each), place, len(all_of) - len(each))
        for place, (name, each, all_of) in enumerate(rows)
    ]
    return made, len(found) - len(chosen)


def mergeable(views: Sequence[Summary]) -> bool:
    """Whether some of the runs differ in the seed alone."""
    seeds: dict[str, set[int]] = {}
    for view in views:
        seeds.setdefault(_family(view), set()).add(_seed(view))
    return any(len(each) > 1 for each in seeds.values())


def known_families(views: Sequence[Summary]) -> dict[str, list[Summary]]:
    """Runs of the same settings and other seeds, where there are two or more, by name.

    The newest family comes first.
    """
    known = [view for view in views if view.config is not None]
    ordered = sorted(known, key=lambda view: view.run.id, reverse=True)
    names = families([view.config for view in ordered if view.config is not None])
    found: dict[str, list[Summary]] = {}
    for name, view in zip(names, ordered, strict=True):
        found.setdefault(name, []).append(view)
    return {
        name: _one_a_seed(each)
        for name, each in found.items()
        if len({_seed(view) for view in each}) > 1
    }


def newest_of_each(views: Sequence[Summary]) -> list[Summary]:
    """The newest finished run of each optimizer, all on the data of the newest one."""
    finished = [view for view in views if view.config and view.run.evaluation.exists()]
    finished.sort(key=lambda view: view.run.id, reverse=True)
    found: dict[str, Summary] = {}
    for view in finished:
        first = next(iter(found.values()), view).config
        if view.config and first and view.config.dataset == first.dataset:
            found.setdefault(view.config.optimizer.name, view)
    return list(found.values())[:MOST]


def datasets(entries: Sequence[Entry]) -> list[str]:
    """What the data that runs were trained on are called, for each that there are."""
    sets = by_data([view for entry in entries for view in entry.views])
    data = [views[0].config.dataset for views in sets if views[0].config]
    # Two folders of one name may hold different data.
    alike = Counter(map(data_name, data))
    return sorted(
        f"{name} of {each.folder}" if alike[name] > 1 and each.folder else name
        for each, name in zip(data, map(data_name, data), strict=True)
    )


def _family(view: Summary) -> str:
    return view.run.id if view.config is None else family_key(view.config)


def _one_a_seed(views: Sequence[Summary]) -> list[Summary]:
    return one_a_seed(views, lambda view: view.run, _seed)


def _seed(view: Summary) -> int:
    return view.config.training.seed if view.config else 0


def _names(chosen: Sequence[Sequence[Summary]]) -> list[str]:
    """Names by optimizer, or model, data, settings, seed, or id; damaged runs by id."""
    known = [each for each in chosen if each[0].config is not None]
    configs = [each[0].config for each in known if each[0].config is not None]
    settings = _settings(configs)
    names = told_apart(
        [optimizer_spec(config.optimizer.name).title for config in configs],
        [model_spec(config.model.name).title for config in configs],
        [data_name(config.dataset) for config in configs],
        [_shortened(label(config, settings)) for config in configs],
        [_seeds(each) for each in known],
    )
    by_id = {
        each[0].run.id: name if names.count(name) < 2 else f"{name}, {each[0].run.id}"
        for each, name in zip(known, names, strict=True)
    }
    return [by_id.get(each[0].run.id, each[0].run.id) for each in chosen]


def _settings(configs: Sequence[RunConfig]) -> list[str]:
    known = (*CHOICES, "folder", "seed")
    return [name for name in differing(configs) if name not in known]


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _seeds(views: Sequence[Summary]) -> str:
    if len(views) > 1:
        return f"{len(views)} seeds"
    config = views[0].config
    return f"seed {config.training.seed}" if config else ""

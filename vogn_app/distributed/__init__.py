"""The processes of a data-parallel run, and what they tell each other."""

from .assignment import Grid, assign_owners, fraction_named, inverse_cost
from .early_sums import EarlySums, Own, Sums
from .exchange import Exchange, Statistics, Weighing
from .groups import groups_of
from .owner_buckets import Item
from .packing import Entry, Layout
from .ranks import (
    DEFAULT_GROUP,
    Group,
    Ranks,
    check_process_group,
    check_same,
    copy_from_first,
    fingerprint,
    ranks_of,
    wrapper_silenced,
)
from .sharding import gather_from_owners, sum_over_ranks
from .volume import Volume, volume_of_grid, volume_of_owners, volume_plain

__all__ = [
    "DEFAULT_GROUP",
    "EarlySums",
    "Entry",
    "Exchange",
    "Grid",
    "Group",
    "Item",
    "Layout",
    "Own",
    "Ranks",
    "Statistics",
    "Sums",
    "Volume",
    "Weighing",
    "assign_owners",
    "check_process_group",
    "check_same",
    "copy_from_first",
    "fingerprint",
    "fraction_named",
    "gather_from_owners",
    "groups_of",
    "inverse_cost",
    "ranks_of",
    "sum_over_ranks",
    "volume_of_grid",
    "volume_of_owners",
    "volume_plain",
    "wrapper_silenced",
]

"""The processes of a data-parallel run, and what they tell each other."""

from .assignment import Grid, assign_owners, fraction_named, inverse_cost
from .early_sums import EarlySums, Own, Sums
from .exchange import Exchange, Statistics, Weighing
from .groups import GridRanks, groups_of
from .owner_buckets import Item
from .packing import Entry, Half, Layout, pack_upper, packed_size, unpack_upper
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
from .sharding import (
    Pending,
    broadcast_within,
    gather_from_owners,
    reduce_to_owners,
    sum_over_ranks,
)
from .volume import Volume, volume_of_grid, volume_of_owners, volume_plain

__all__ = [
    "DEFAULT_GROUP",
    "EarlySums",
    "Entry",
    "Exchange",
    "Grid",
    "GridRanks",
    "Group",
    "Half",
    "Item",
    "Layout",
    "Own",
    "Pending",
    "Ranks",
    "Statistics",
    "Sums",
    "Volume",
    "Weighing",
    "assign_owners",
    "broadcast_within",
    "check_process_group",
    "check_same",
    "copy_from_first",
    "fingerprint",
    "fraction_named",
    "gather_from_owners",
    "groups_of",
    "inverse_cost",
    "pack_upper",
    "packed_size",
    "ranks_of",
    "reduce_to_owners",
    "sum_over_ranks",
    "unpack_upper",
    "volume_of_grid",
    "volume_of_owners",
    "volume_plain",
    "wrapper_silenced",
]

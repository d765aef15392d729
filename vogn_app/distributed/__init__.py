"""The processes of a data-parallel run, and what they tell each other."""

from .exchange import Exchange, Statistics, Weighing
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

__all__ = [
    "DEFAULT_GROUP",
    "Exchange",
    "Group",
    "Ranks",
    "Statistics",
    "Weighing",
    "check_process_group",
    "check_same",
    "copy_from_first",
    "fingerprint",
    "ranks_of",
    "wrapper_silenced",
]

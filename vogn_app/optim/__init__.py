"""Optimizers, one file each."""

from .adapter import optimizer_for
from .vogn import VOGN

__all__ = ["VOGN", "optimizer_for"]

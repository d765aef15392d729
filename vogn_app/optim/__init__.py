"""Optimizers, one file each."""

from .adapter import optimizer_for
from .kfac import KFAC
from .preconditioner import KroneckerPreconditioner
from .vogn import VOGN

__all__ = ["KFAC", "VOGN", "KroneckerPreconditioner", "optimizer_for"]

"""Optimizers, one file each."""

from .adapter import optimizer_for
from .ensemble import Ensemble
from .ivon import IVON
from .kfac import KFAC
from .noisy_kfac import NoisyKFAC
from .preconditioner import KroneckerPreconditioner
from .sp_ngd import SPNGD
from .vogn import VOGN

__all__ = [
    "IVON",
    "KFAC",
    "SPNGD",
    "VOGN",
    "Ensemble",
    "KroneckerPreconditioner",
    "NoisyKFAC",
    "optimizer_for",
]

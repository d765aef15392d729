"""Optimizers, one file each."""

from .adapter import optimizer_for
from .ensemble import Ensemble
from .ivon import IVON
from .kfac import KFAC
from .laplace import Laplace
from .mc_dropout import MCDropout
from .noisy_kfac import NoisyKFAC
from .preconditioner import KroneckerPreconditioner
from .prior_learning import learn_prior
from .running_statistics import renew_running_statistics
from .sghmc import SGHMC
from .sgld import SGLD
from .snapshot import SnapshotEnsemble
from .sp_ngd import SPNGD
from .swag import SWAG
from .vadam import Vadam
from .vogn import VOGN

__all__ = [
    "IVON",
    "KFAC",
    "SGHMC",
    "SGLD",
    "SPNGD",
    "SWAG",
    "VOGN",
    "Ensemble",
    "KroneckerPreconditioner",
    "Laplace",
    "MCDropout",
    "NoisyKFAC",
    "SnapshotEnsemble",
    "Vadam",
    "learn_prior",
    "optimizer_for",
    "renew_running_statistics",
]

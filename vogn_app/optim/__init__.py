"""Optimizers, one file each."""

from .vogn import VOGN

__all__ = ["VOGN"]

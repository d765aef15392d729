"""Collectives between the processes of a data-parallel run."""

from .reduction import sum_over_ranks

__all__ = ["sum_over_ranks"]

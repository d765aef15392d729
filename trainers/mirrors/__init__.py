"""One-way copies of a run to the trackers that people already have.

A mirror is a process of its own, `python -m trainers.mirrors RUN NAME...`, that reads
the run folder and writes nothing there but `mirrors/`. So whatever a tracker does, the
training goes on. Importing this package brings in no tracker.
"""

from trainers.mirrors.catalogue import MIRRORS, MirrorSpec, missing, names_from

__all__ = ["MIRRORS", "MirrorSpec", "missing", "names_from"]

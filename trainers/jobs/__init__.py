"""Runs as detached processes: launch, stop, delete. Imports neither torch nor UI."""

from trainers.jobs.control import delete, launch, resume, stop

__all__ = ["delete", "launch", "resume", "stop"]

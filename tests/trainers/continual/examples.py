"""Small runs of tasks: digits, of which a network of a few units learns something."""

from trainers.continual.record import Record
from trainers.continual.settings import ContinualSettings


def settings(**others):
    """Two tasks of digits, an epoch each."""
    chosen = {
        "dataset": "digits", "tasks": 2, "epochs": 1, "hidden": (8,), "num_train": 120,
        "batch_size": 40, "device": "cpu", "lr": 0.01, "ewc_lr": 0.01,
    }  # fmt: skip
    return ContinualSettings(**{**chosen, **others})


def record(**others):
    """A record of three tasks with numbers that are easy to reckon with."""
    chosen = {"tasks": 3, "methods": ("vogn", "ewc", "joint"), **others}
    found = Record(settings=settings(**chosen), num_test=360)
    rows = {
        "vogn": [[0.9], [0.8, 0.9], [0.7, 0.8, 0.9]],
        "ewc": [[0.9], [0.6, 0.8]],
        "joint": [[0.9], [0.9, 0.9], [1.0, 0.9, 1.0]],
    }
    for method, course in rows.items():
        for row in course:
            found = found.and_then(method, row, 2.0)
    return found

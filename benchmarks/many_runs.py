"""A folder of many run folders, as finished trainings leave them, made in seconds.

A few are written in full, with a real evaluation; the others are those with other
numbers: seed, learning rate, dates, states, losses and headline metrics. Most belong to
sweeps, which the job store knows; a third has a tag, one in fifteen is archived.
"""

import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.ui import fakes
from trainers.annotations import Annotations, write_annotations
from trainers.jobs.home import Home
from trainers.jobs.schema import ENDED
from trainers.jobs.store import Job, Store
from trainers.runs import Run
from trainers.status import read_status

EPOCHS = 40  # of each run; 440 lines of metrics.jsonl, about 100 kB
KINDS = (
    ("digits", "mlp", "vogn"), ("digits", "mlp", "adamw"), ("digits", "mlp", "sgd"),
    ("moons", "mlp", "vogn"),
)  # fmt: skip
STATES = (("finished", 88), ("failed", 6), ("stopped", 4), ("lost", 2))
RATES = (0.003, 0.01, 0.03, 0.1)
TAGS = ("baseline", "paper", "rerun", "odd loss")
NUM_SEEDS = 5
SWEEP = len(RATES) * NUM_SEEDS  # runs of a group
UNGROUPED = 5  # one sweep in so many is of runs that were started one by one
Content = dict[str, Any]


def write_runs(root: Path, number: int, seed: int = 0) -> list[Run]:
    """Write run folders and the rows of their jobs.

    Args:
        root: The folder of all runs; the store is where a server on it looks.
        number: How many.
        seed: Of what differs.

    Returns:
        The runs, newest first.
    """
    rng = random.Random(seed)
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        templates = [_template(Path(folder), *kind) for kind in KINDS]
    runs = [
        _write(root, templates[k // SWEEP % len(templates)], k, number, rng)
        for k in range(number)
    ]
    _add_jobs(root, runs)
    return runs[::-1]


def _template(folder: Path, dataset: str, model: str, optimizer: str) -> Content:
    name = f"{dataset}-{optimizer}"
    run = fakes.write_run(
        folder, name, evaluated=True, epochs=EPOCHS, dataset=dataset, model=model,
        optimizer=optimizer,
    )  # fmt: skip
    files = {"config": run.config, "status": run.status, "evaluation": run.evaluation}
    content: Content = {
        key: json.loads(file.read_text()) for key, file in files.items()
    }
    # The numbers come last: the long rest is written as it stands.
    metrics = content["evaluation"].pop("metrics")
    rest = json.dumps(content["evaluation"], indent=1)
    return content | {
        "metrics": metrics,
        "evaluation": rest[1:],
        "rows": run.metrics.read_text(),
    }


def _write(root: Path, template: Content, k: int, number: int, rng: Any) -> Run:
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(1.79e9 + 600 * k))
    run = Run(root / f"{stamp}-{rng.randrange(16**6):06x}")
    run.path.mkdir()
    _write_config(run, template["config"], k)
    state = rng.choices(*zip(*STATES, strict=True))[0]
    _write_status(run, template["status"], state, time.time() - 600 * (number - k))
    digit = rng.randrange(1, 10)
    run.metrics.write_text(template["rows"].replace(": 0.1", f": 0.{digit}"))
    if state == "finished":
        _write_evaluation(run, template, rng)
    if k % 3 == 0:
        _annotate(run, k)
    return run


def _write_config(run: Run, content: Content, k: int) -> None:
    config = json.loads(json.dumps(content))
    config["training"]["seed"] = k % NUM_SEEDS
    config["optimizer"]["hyperparameters"]["lr"] = RATES[k // NUM_SEEDS % len(RATES)]
    run.config.write_text(json.dumps(config, indent=1))


def _write_status(run: Run, content: Content, state: str, created: float) -> None:
    status = content | {
        "state": state, "created": created, "started": created + 5,
        "ended": created + 300,
        "message": "Loss is not finite." if state == "failed" else "",
    }  # fmt: skip
    run.status.write_text(json.dumps(status, indent=1))


def _write_evaluation(run: Run, template: Content, rng: Any) -> None:
    metrics = template["metrics"] | {
        "accuracy": rng.uniform(0.8, 0.99), "nll": rng.uniform(0.1, 0.6),
        "ece": rng.uniform(0.005, 0.1),
    }  # fmt: skip
    head = json.dumps({"metrics": metrics}, indent=1)[:-2]
    run.evaluation.write_text(f"{head},{template['evaluation']}")


def _annotate(run: Run, k: int) -> None:
    tags, note = (TAGS[k % len(TAGS)],), "" if k % 2 else "Worth a second look."
    write_annotations(run, Annotations(tags=tags, note=note, archived=k % 15 == 0))


def _add_jobs(root: Path, runs: list[Run]) -> None:
    """Tell the job store of the sweeps, which have ended."""
    sweeps = [runs[start : start + SWEEP] for start in range(0, len(runs), SWEEP)]
    store = Store(Home(root / ".jobs"))
    try:
        store.add(
            [
                Job(path=str(run.path), config="{}", stage=ENDED, group=_name(sweep),
                    outcome=read_status(run).state, announced=True)
                for k, sweep in enumerate(sweeps) if k % UNGROUPED
                for run in sweep
            ]
        )  # fmt: skip
    finally:
        store.close()


def _name(sweep: list[Run]) -> str:
    return f"s{sweep[0].id[:15]}"

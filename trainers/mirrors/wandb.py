"""Weights & Biases: offline in `mirrors/wandb` of the run, unless `WANDB_MODE` is set.

`wandb sync RUN_FOLDER/mirrors/wandb/offline-run-*` uploads it later. The environment
variables of wandb hold here; the project is `WANDB_PROJECT`, else "vogn-app".
"""

import os
import re
import secrets
from collections.abc import Sequence
from importlib import import_module
from time import sleep
from typing import Any, final

from trainers.mirrors.memory import folder_of
from trainers.mirrors.mirror import Beginning, Ending, Mirror, Row
from trainers.runs import Run
from trainers.status import ENDED, FINISHED, STOPPED

# What wandb would note of this process says nothing of the training, and offline it
# calls nobody. Variables that the user set stay.
DEFAULTS = {
    "WANDB_MODE": "offline",
    "WANDB_PROJECT": "vogn-app",
    "WANDB_SILENT": "true",
    "WANDB_CONSOLE": "off",
    "WANDB_DISABLE_CODE": "true",
    "WANDB_DISABLE_GIT": "true",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB__DISABLE_META": "true",
    "WANDB__DISABLE_STATS": "true",
    "WANDB__TRANSACTION_LOG_FLUSH_INTERVAL": "0.05",
}
# Seconds in which wandb's own process surely writes what it was given. Killed before,
# together with this one, it would lose rows that count as mirrored.
SETTLED = 0.25
# Exit codes as of `python -m trainers`; wandb shows all but 0 as failed.
CODES = {FINISHED: 0, STOPPED: 130}


@final
class WandbMirror(Mirror):
    """Logs rows by "step", the configuration, and the end with its state as a tag.

    Args:
        run: The run.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._wandb: Any = None
        self._tracked: Any = None

    def start(self, beginning: Beginning) -> str:
        """Begin a run of wandb, or the next part of the known one."""
        os.environ.update({k: v for k, v in DEFAULTS.items() if not os.environ.get(k)})
        self._wandb = import_module("wandb")
        known = beginning.known or _new_id(self._run)
        self._tracked = self._wandb.init(
            id=known,
            name=self._run.id,
            dir=str(folder_of(self._run)),
            config=beginning.parameters,
            resume="allow",
        )
        # Our own step: wandb drops what comes at a step it takes for done.
        self._tracked.define_metric("step")
        self._tracked.define_metric("*", step_metric="step")
        return known

    def log(self, rows: Sequence[Row]) -> None:
        """Hand the rows to wandb, which has a process of its own to write them."""
        for row in rows:
            place = {"step": row.step, "epoch": row.epoch, "seconds": row.seconds}
            known = {name: value for name, value in place.items() if value is not None}
            self._tracked.log({**known, **row.values})
        sleep(SETTLED)

    def finish(self, ending: Ending) -> None:
        """Set the summary and the state, and end the run of wandb."""
        self._tracked.summary.update({**ending.values, "message": ending.message})
        tags = [tag for tag in self._tracked.tags or () if tag not in ENDED]
        self._tracked.tags = (*tags, ending.state)
        self._tracked.finish(exit_code=CODES.get(ending.state, 1))
        self._tracked = None

    def close(self) -> None:
        """End this part of the run, and wandb's own process."""
        if self._tracked is not None:
            self._tracked.finish(exit_code=0)
        if self._wandb is not None:
            self._wandb.teardown()


def _new_id(run: Run) -> str:
    """An id that no other run of the project has, in the letters wandb takes."""
    name = re.sub(r"[^A-Za-z0-9_-]", "-", run.id)[:100]
    return f"{name}-{secrets.token_hex(4)}"

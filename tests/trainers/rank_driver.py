"""`python -m trainers` whose ranks meet a fate at a step.

`FATE=RANK:STEP:WHAT` with WHAT one of stop, fail, die.
"""

import os
import signal
import sys

from trainers import trainer
from trainers.__main__ import main
from trainers.ranks import launched_ranks


def meet(fate):
    if fate == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if fate == "fail":
        raise OverflowError("too much")


def install(text):
    """Let the rank meet its fate after the step."""
    rank, step, fate = text.split(":")
    real = trainer.Trainer._step

    def step_then(self, batch):
        real(self, batch)
        if (launched_ranks().rank, self.progress.step) == (int(rank), int(step)):
            if fate == "stop":
                self.stop.requested = signal.SIGTERM
            meet(fate)

    trainer.Trainer._step = step_then


if __name__ == "__main__":
    if fate := os.environ.get("FATE"):
        install(fate)
    sys.exit(main())

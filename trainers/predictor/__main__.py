"""`python -m trainers.predictor RUN`: load a finished run and answer on stdin, stdout.

Errors of loading are told as the first message, so that a person gets to see them.
"""

import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import BinaryIO

from trainers.predictor.protocol import Message, write_message

IDLE_VARIABLE = "VOGN_PREDICTOR_IDLE"  # seconds without a request, for tests


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a run, and return the exit code."""
    (name,) = sys.argv[1:] if arguments is None else arguments
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C ends the server, and EOF us
    # Whatever prints must not get between the messages.
    with os.fdopen(os.dup(1), "wb") as answers, os.fdopen(0, "rb", 0) as requests:
        os.dup2(2, 1)
        return _serve(name, requests, answers)


def _serve(name: str, requests: BinaryIO, answers: BinaryIO) -> int:
    from data import DatasetError
    from trainers.predictor.network import Network
    from trainers.predictor.serving import IDLE, serve
    from trainers.runs import RunError, find_here, load_config
    from trainers.trained import load_trained

    try:
        run = find_here(name)
        if not load_config(run).training.device.startswith("cuda"):
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # torch looks when it is first used
        network = Network(load_trained(run))
    except (DatasetError, RunError, ValueError, OSError, MemoryError) as error:
        logging.getLogger(__name__).exception("The run could not be loaded.")
        write_message(answers, Message({"ok": False, "problem": str(error)[:2000]}))
        return 2
    serve(network, requests, answers, float(os.environ.get(IDLE_VARIABLE, IDLE)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Start the processes of one run, the ranks, and tell which of them failed first.

`python -m trainers.launcher --nproc-per-node N RUN` is torchrun, with the ends tied up:
a stop reaches every rank once and leaves it time for a checkpoint, no rank is left
behind, and `log/failure.json` names the rank that failed first and how.
"""

import argparse
import logging
import math
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGINT, SIGTERM
from types import FrameType
from typing import Any

import psutil

from trainers.jobs.failures import (
    Report,
    explain,
    oom_kills,
    read_report,
    report_path,
    write_report,
)
from trainers.jobs.settings import stop_grace
from trainers.ranks import LAUNCHER
from trainers.runs import Run, RunError, find_run
from trainers.status import (
    ENDED,
    FAILED,
    Status,
    end_status,
    read_status,
)
from trainers.stopping import SAME_WISH, StopSignal, end_children

logger = logging.getLogger(__name__)

DONE, FAULT, STOP = 0, 1, 130  # exit codes; a rank that was stopped ends with the last
NO_FILE = "<N/A>"  # where torch found no words of a rank


class LaunchSignal(StopSignal):
    """A stop that torchrun passes on to the ranks; a second Ctrl-C goes to them too."""

    def _receive(self, number: int, frame: FrameType | None) -> None:
        again = self.requested and time.monotonic() - self._since > SAME_WISH
        if again and number == SIGINT:
            for child in psutil.Process().children():
                with suppress(psutil.NoSuchProcess):
                    child.send_signal(SIGINT)
        super()._receive(number, frame)


def launch(run: Run, num_processes: int) -> int:
    """Run the ranks of a run, on this machine, to their end.

    Args:
        run: The run; each rank does `python -m trainers train RUN`, or another module
            of the environment's `VOGN_TRAINER`.
        num_processes: Number of ranks.

    Returns:
        0 when all ranks ended well, 130 when they were stopped, else 1.
    """
    others = set(psutil.Process().children())
    with LaunchSignal() as stop:
        try:
            _clear(run)
            report_path(run).unlink(missing_ok=True)
            with stop.deferred():  # a half-imported torch raises anything
                import torch.distributed.run  # noqa: F401
            return _launch(run, num_processes)
        except KeyboardInterrupt:
            return STOP
        except Exception as error:  # torchrun's own, such as a port or a disk
            logger.exception("The launcher failed.")
            words = f"{type(error).__name__}: {error}"
            own = (None, None, FAULT, os.getpid(), time.time(), words)
            write_report(run, Report(*own))
            return FAULT
        finally:
            stop.settle()
            # What torchrun left, as when a stop came while it started them.
            left = set(psutil.Process().children()) - others
            end_children(left, stop_grace(os.environ))
            _clear(run)


def _launch(run: Run, num_processes: int) -> int:
    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    # Of a stop that was asked for nobody needs a warning.
    processes = logging.getLogger("torch.distributed.elastic.multiprocessing.api")
    processes.addFilter(lambda record: "closing signal" not in record.getMessage())
    os.environ.update(_settings(os.environ))
    try:
        torchrun.main([
            "--standalone", "--nnodes", "1", "--nproc-per-node", str(num_processes),
            "--local-addr", "localhost", "--max-restarts", "0",
            "--log-dir", str(_error_files(run)),
            "--module", os.environ.get("VOGN_TRAINER") or "trainers",
            "train", str(run.path),
        ])  # fmt: skip
    except ChildFailedError as error:
        return _report(run, error.failures)
    except SignalException:
        return STOP
    return DONE


def _error_files(run: Run) -> Path:
    """Folder in which torchrun has ranks write their errors, here for a while."""
    return run.log.parent / "torchrun"


def _clear(run: Run) -> None:
    shutil.rmtree(_error_files(run), ignore_errors=True)


def _settings(environment: Mapping[str, str]) -> dict[str, str]:
    """What torchrun reads from the environment, where it is not to be the default."""
    return {
        "OMP_NUM_THREADS": environment.get("OMP_NUM_THREADS", "1"),  # or it complains
        "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(math.ceil(stop_grace(environment))),
        # Its own handler of other signals would end the wait for the ranks when one
        # arrives twice, and leave them.
        "PET_SIGNALS_TO_HANDLE": "SIGQUIT",
    }


def _report(run: Run, failures: Mapping[int, Any]) -> int:
    """Write the failure that was seen first; stopped ranks have not failed."""
    failed = {rank: f for rank, f in failures.items() if f.exitcode != STOP}
    if not failed:
        return STOP
    rank, it = min(failed.items(), key=lambda item: _order(item[1]))
    seen = (rank, it.local_rank, it.exitcode, it.pid, it.timestamp, _words(it))
    write_report(run, Report(*seen))
    return FAULT


def _order(failure: Any) -> tuple[int, bool]:
    # Torch counts whole seconds. Within one, who was struck goes before who noticed.
    return failure.timestamp, failure.exitcode >= 0 or failure.exitcode == -SIGTERM


def _words(failure: Any) -> str:
    if failure.error_file == NO_FILE:
        return ""
    words = failure.message
    return str(words.get("message", "") if isinstance(words, dict) else words)


def train_together(run: Run, num_processes: int) -> tuple[Status, bool]:
    """Train a run in several processes that end with this one.

    Args:
        run: The run, with a status that says that it is alive.
        num_processes: Number of ranks.

    Returns:
        The status at the end, which still says so after a stop that rank 0 could not
        write, and whether it is rank 0 that wrote it, and so told it.
    """
    os.environ[LAUNCHER] = str(os.getpid())
    kills = oom_kills()
    code = launch(run, num_processes)
    status = read_status(run)
    if code == STOP or status.state in ENDED:
        return status, status.state in ENDED
    failure = explain(code, read_report(run), oom_kills() - kills)
    kind = failure.error_class
    status = end_status(run, status, FAILED, error_class=kind, message=failure.message)
    return status, False


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="python -m trainers.launcher", description=__doc__
    )
    parser.add_argument("run", help="id or path of the run")
    parser.add_argument(
        "--nproc-per-node", type=int, required=True, metavar="N", help="processes"
    )
    options = parser.parse_args(arguments)
    try:
        if options.nproc_per_node < 1:
            raise ValueError(
                f"--nproc-per-node must be >= 1, got {options.nproc_per_node}."
            )
        return launch(find_run(options.run), options.nproc_per_node)
    except (ValueError, RunError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())

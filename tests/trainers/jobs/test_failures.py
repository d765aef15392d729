"""Tests of why a run ended whose trainer did not say it."""

import json
import signal

import pytest

from trainers.jobs import failures
from trainers.jobs.failures import (
    LONGEST,
    Failure,
    Report,
    explain,
    oom_kills,
    read_report,
    report_path,
    write_report,
)
from trainers.runs import Run
from trainers.status import SUGGESTIONS


def report(exitcode, rank=1, message=""):
    return Report(rank, rank, exitcode, 123, 1e9, message)


@pytest.mark.parametrize(
    ("number", "kills", "kind", "text"),
    [
        (
            signal.SIGKILL, 0, "killed",
            "was killed by signal 9 (SIGKILL) from outside; no lack of memory was "
            "counted.",
        ),
        (
            signal.SIGKILL, 1, "out of memory",
            "was killed by signal 9 (SIGKILL) when the machine had no memory left.",
        ),
        (signal.SIGTERM, 0, "killed", "was ended by signal 15 (SIGTERM) from outside."),
        (signal.SIGHUP, 0, "killed", "was ended by signal 1 (SIGHUP) from outside."),
        (signal.SIGTERM, 3, "killed", "was ended by signal 15 (SIGTERM) from outside."),
        (200, 0, "killed", "was ended by signal 200 from outside."),
        (
            signal.SIGSEGV, 0, "crashed",
            "crashed in compiled code with signal 11 (SIGSEGV).",
        ),
        (
            signal.SIGABRT, 0, "crashed",
            "crashed in compiled code with signal 6 (SIGABRT).",
        ),
        (
            signal.SIGBUS, 1, "crashed",
            "crashed in compiled code with signal 7 (SIGBUS).",
        ),
        (
            signal.SIGILL, 0, "crashed",
            "crashed in compiled code with signal 4 (SIGILL).",
        ),
        (
            signal.SIGFPE, 0, "crashed",
            "crashed in compiled code with signal 8 (SIGFPE).",
        ),
    ],
)  # fmt: skip
def test_signals_have_classes(number, kills, kind, text):
    alone = explain(-number, None, kills)
    assert alone == Failure(kind, f"The training process {text}")
    # The launcher's own exit code says less than what it saw.
    assert explain(1, report(-number), kills) == Failure(
        kind, f"Rank 1 (process 123) {text}"
    )


@pytest.mark.parametrize(
    ("tail", "kind"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to", "out of memory"),
        ("[rank1]: torch.OutOfMemoryError: tried", "out of memory"),
        ("MemoryError", "out of memory"),
        ("numpy._core._exceptions._ArrayMemoryError: Unable", "out of memory"),
        ("RuntimeError: DefaultCPUAllocator: can't allocate memory", "out of memory"),
        ("OSError: [Errno 12] Cannot allocate memory", "out of memory"),
        ("  what():  std::bad_alloc", "out of memory"),
        ("OSError: [Errno 28] No space left on device: 'last.pt'", "disk"),
        ("OSError: [Errno 122] Disk quota exceeded", "disk"),
        ("ModuleNotFoundError: No module named 'timm'", "installation"),
        ("/usr/bin/python: No module named trainers", "installation"),
        ("ImportError: libcudart.so.13: cannot open shared", "installation"),
        ("torch.distributed.DistNetworkError: The client socket", "distributed"),
        ("RuntimeError: [third_party/gloo/gloo/transport/tcp/pair", "distributed"),
        ("torch.distributed.DistBackendError: NCCL error in: x", "distributed"),
    ],
)
@pytest.mark.parametrize("code", [1, -signal.SIGABRT, None])
def test_the_log_tells_why(tail, kind, code):
    failure = explain(code, tail=f"Traceback:\n{tail}\n\nlast words")
    assert failure.error_class == kind
    assert failure.message.endswith(f": {tail.strip()}")
    assert failure.message.startswith("The training process ")


@pytest.mark.parametrize(
    "tail",
    ["", "KeyError: 'x'", "warning: torch has no ImportError: x", "in MemoryErrors"],
)
def test_without_a_sign_only_the_exit_code_is_told(tail):
    assert explain(7, tail=tail) == Failure(
        "other", "The training process ended with exit code 7."
    )
    assert explain(None, tail=tail).message == (
        "The training process ended, and how is not known."
    )


def test_a_signal_from_outside_goes_before_the_log():
    assert explain(-signal.SIGKILL, tail="MemoryError").error_class == "killed"


def test_a_cause_goes_before_its_consequence():
    tail = "MemoryError\n[rank0]: torch.distributed.DistBackendError: gone"
    assert explain(1, tail=tail).error_class == "out of memory"


def test_a_refused_command_is_told_in_its_own_words():
    tail = "INFO: x\nerror: There is no run 'x' in /runs."
    assert explain(2, tail=tail) == Failure(
        "configuration",
        "The training process ended with exit code 2: There is no run 'x' in /runs.",
    )
    assert explain(1, tail=tail).error_class == "other"
    assert explain(2).error_class == "other"


def test_the_words_of_a_rank_are_told():
    failure = explain(1, report(1, 0, "OverflowError: too much"), tail="loading")
    assert failure.message == (
        "Rank 0 (process 123) ended with exit code 1: OverflowError: too much"
    )
    assert explain(1, report(1, 0, "MemoryError: x")).error_class == "out of memory"


def test_the_launcher_itself_may_fail():
    failure = explain(1, report(1, None, "RendezvousTimeoutError: "))
    assert failure.error_class == "distributed"
    assert failure.message.startswith("The launcher (process 123) ended with exit co")


def test_a_message_is_no_novel():
    message = explain(1, tail="MemoryError: " + "x" * 9999).message
    assert len(message) < LONGEST + 100


def test_every_class_has_a_suggestion():
    classes = {kind for kind, _ in failures.SIGNS}
    assert classes | {"killed", "crashed", "configuration", "other"} <= set(SUGGESTIONS)


def test_a_report_survives_the_disk(tmp_path):
    run = Run(tmp_path)
    assert read_report(run) is None
    write_report(run, report(-9))
    assert read_report(run) == report(-9)
    assert report_path(run) == tmp_path / "log" / "failure.json"
    content = json.loads(report_path(run).read_text())
    assert set(content) == {
        "rank", "local_rank", "exitcode", "pid", "timestamp", "message"
    }  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "3",
        "{}",
        '{"rank": "x", "local_rank": 0, "exitcode": 1, "pid": 1, "timestamp": 1}',
        '{"rank": 0, "local_rank": 0, "exitcode": "x", "pid": 1, "timestamp": 1}',
    ],
)
def test_a_damaged_report_is_none(tmp_path, content):
    (tmp_path / "log").mkdir()
    report_path(Run(tmp_path)).write_text(content)
    assert read_report(Run(tmp_path)) is None


@pytest.mark.parametrize(
    ("content", "count"),
    [("nr_free 5\noom_kill 3\nx 1\n", 3), ("nr_free 5\n", 0), ("oom_kill x\n", 0)],
)
def test_kills_for_want_of_memory_are_counted(tmp_path, content, count):
    path = tmp_path / "vmstat"
    path.write_text(content)
    assert oom_kills(path) == count


def test_where_none_are_counted_there_are_none(tmp_path):
    assert oom_kills(tmp_path / "absent") == 0
    assert oom_kills() >= 0

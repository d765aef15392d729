"""Tests of logs over several starts."""

import pytest

from tests.trainers.examples import run_of
from trainers.jobs import logs
from trainers.jobs.logs import begin_logs, last_words, shorten_logs, tail_of


def test_the_words_of_an_earlier_start_are_not_the_last_ones(tmp_path):
    run = run_of(tmp_path / "a")
    begin_logs(run)
    assert list(run.log.parent.iterdir()) == []
    run.log.write_text("CUDA out of memory\n")
    assert last_words(run) == "CUDA out of memory"
    begin_logs(run)
    assert last_words(run) == ""
    with run.log.open("a") as file:
        file.write("Segmentation fault\n")
    assert last_words(run) == "Segmentation fault"
    assert run.log.read_text().startswith(
        "CUDA out of memory\n\n==== Started again at 2"
    )


def test_a_silent_rank_has_the_words_of_torchrun(tmp_path):
    run = run_of(tmp_path / "a")
    begin_logs(run)
    run.log.with_name("launcher.log").write_text("no port\n")
    run.log_of(1).write_text("me\n")
    assert last_words(run, 0) == "no port"
    assert last_words(run, 1) == "me"


def test_the_last_words_are_few(tmp_path):
    log = tmp_path / "x.log"
    log.write_text("".join(f"{k}\n" for k in range(10_000)))
    assert tail_of(log).splitlines() == [str(k) for k in range(9_980, 10_000)]
    assert tail_of(tmp_path / "none.log") == ""


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(logs, "LOG_LIMIT", 1000)
    monkeypatch.setattr(logs, "LOG_KEPT", 250)


def test_a_log_that_floods_keeps_its_end(tmp_path, short):
    run = run_of(tmp_path / "a")
    begin_logs(run)
    rank1 = run.log_of(1)
    rank1.write_text("calm\n")
    with run.log.open("ab", buffering=0) as trainer:
        trainer.write(b"".join(b"line %03d\n" % k for k in range(200)))
        shorten_logs(run)
        trainer.write(b"still here\n")
    first, cut, *kept, last = run.log.read_text().splitlines()
    assert first.startswith("==== Older output was dropped at 2")
    assert cut == "ne 172"  # 250 bytes are 27 lines of nine and seven bytes
    assert kept == [f"line {k:03d}" for k in range(173, 200)]
    assert last == "still here"
    assert rank1.read_text() == "calm\n"


def test_a_log_within_its_limit_is_left_alone(tmp_path, short):
    run = run_of(tmp_path / "a")
    begin_logs(run)
    run.log.write_bytes(b"x" * 1000)
    shorten_logs(run)
    assert run.log.read_bytes() == b"x" * 1000


def test_a_line_without_an_end_is_cut_too(tmp_path, short):
    run = run_of(tmp_path / "a")
    begin_logs(run)
    run.log.write_bytes(b"10 %\r" * 1000 + b"99 %")  # a progress bar
    shorten_logs(run)
    assert run.log.stat().st_size < 400
    assert last_words(run).endswith("99 %")

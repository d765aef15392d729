"""Tests of logs over several starts."""

from tests.trainers.examples import run_of
from trainers.jobs.logs import begin_logs, last_words, tail_of


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

"""Tests of runs in plain words."""

from tests.trainers.examples import config
from trainers.commands.tables import progress, standing, table, what
from trainers.jobs.launcher import JobState
from trainers.status import Status


def test_columns_are_aligned_and_lines_have_no_blanks_at_their_ends():
    text = table(("a", "long title", "c"), [("1", "x", ""), ("222", "two\nlines", "z")])
    assert text.splitlines() == [
        "a    long title  c",
        "1    x",
        "222  two lines   z",
    ]
    assert table(("a",), []) == "a"


def test_what_a_run_does_and_how_it_differs():
    settings = config(optimizer="adamw", training={"seed": 4})
    assert what(settings) == "adamw on moons"
    axes = ["dataset", "optimizer", "seed", "damping"]
    assert what(settings, axes) == "adamw on moons, seed 4"
    assert what(settings, ["optimizer"]) == "adamw on moons"


def test_how_a_run_stands():
    queued = Status(state="queued", created=0.0)
    assert standing(JobState(status=queued, position=3)) == "queued #3"
    assert standing(JobState(status=queued)) == "queued"
    running = Status(state="running", created=0.0)
    assert standing(JobState(status=running)) == "running"


def test_how_far_a_run_is():
    def of(**values):
        return progress(Status(state="running", created=0.0, **values))

    assert of() == ""
    assert of(phase="loading") == "loading"
    assert of(step=120, total_steps=500, phase="training") == "120/500 (24 %)"
    assert of(step=5, total_steps=5, phase="evaluating") == "5/5 (100 %), evaluating"

"""What is remembered between two processes of one mirror."""

import pytest

from tests.trainers.examples import run_of
from tests.trainers.mirrors.examples import Script
from trainers.mirrors.memory import (
    Memory,
    alone,
    folder_of,
    forgotten,
    memory_file,
    recall,
    remember,
)
from trainers.runs import RunError


@pytest.fixture
def run(tmp_path):
    run = run_of(tmp_path / "run")
    folder_of(run).mkdir()
    return run


def test_a_memory_comes_back(run):
    assert recall(run, "mlflow") == Memory()
    memory = Memory(tracker_id="a", step=7, kind="epoch", started=1.5)
    assert remember(run, "mlflow", memory) == memory
    assert recall(run, "mlflow") == memory
    assert recall(run, "wandb") == Memory()


def test_its_place_is_that_of_a_row():
    before = [Memory(), Memory(step=3), Memory(step=3, kind="epoch"), Memory(step=4)]
    places = [memory.position for memory in before]
    assert places == sorted(places)
    assert Memory().position < (0, False)


@pytest.mark.parametrize("text", ["{", "[1]", '{"steps": 1}'])
def test_a_damaged_memory_is_named(run, text):
    memory_file(run, "mlflow").write_text(text)
    with pytest.raises(RunError, match=r"mlflow\.json"):
        recall(run, "mlflow")


def test_of_a_deleted_run_nothing_is_remembered(run):
    run.path.rename(run.path.with_name("gone"))
    remember(run, "mlflow", Memory())
    assert not run.path.exists()


def test_one_mirror_of_a_name_is_alone_at_a_time(run):
    with alone(run, "mlflow", Script()) as first:
        impatient = Script()
        impatient.actions.append(impatient.ask)
        with alone(run, "mlflow", impatient) as second:
            pass
        with alone(run, "wandb", Script()) as other:
            pass
    assert (first, second, other) == (True, False, True)


def test_one_waits_for_the_other_to_leave(run):
    first = alone(run, "mlflow", Script())
    first.__enter__()
    story = Script(lambda: None, lambda: first.__exit__(None, None, None))
    with alone(run, "mlflow", story) as held:
        assert held
    assert not story.actions


def test_a_forgotten_run_has_a_remedy(run):
    error = forgotten(run, "mlflow", "abc")
    assert str(error).startswith("mlflow has no run abc; remove ")
    assert str(memory_file(run, "mlflow")) in str(error)

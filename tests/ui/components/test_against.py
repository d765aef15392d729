"""Tests of `ui/components/against.py`, on the page of groups; Compare has more."""

import pytest

from tests.ui.fakes import config
from tests.ui.seen import charts, text
from trainers import jobs
from trainers.config import RunConfig
from trainers.jobs.schema import ENDED
from trainers.jobs.store import Job
from trainers.runs import new_run, write_json
from trainers.status import FINISHED, begin_status, end_status
from ui.components import reading
from ui.components.against import axes_among, known


def write(root, name, seed, group="mine", nll=0.5, mean=None, **values):
    """An evaluated run of a group with these hyper-parameters."""
    content = config("moons", seed=seed).to_dict()
    content["optimizer"]["hyperparameters"] |= values
    run = new_run(RunConfig.from_dict(content), "test", root / name)
    metrics = {"nll": nll, "ece": nll / 10, "accuracy": 1 - nll}
    write_json(run.evaluation, {"metrics": metrics, "mean": mean})
    end_status(run, begin_status(run), FINISHED)
    job = Job(path=str(run.path), config="{}", stage=ENDED, group=group)
    jobs.engine().store.add([job])
    return run


@pytest.fixture
def study(root):
    """Temperatures 0.1 and 1 with three seeds each, the colder one better."""
    return [
        write(
            root, f"{temperature}-{seed}", seed, temperature=temperature,
            nll=0.4 + 0.1 * temperature + 0.001 * seed * temperature,
            mean={"nll": 0.9, "ece": 0.1, "accuracy": 0.5},
        )
        for temperature in (0.1, 1.0)
        for seed in (0, 1, 2)
    ]  # fmt: skip


def test_evaluated_runs_are_known_with_their_numbers_at_the_mean(study, root):
    new_run(config("moons", seed=9), "test", root / "new")
    views, _ = reading.summaries([*study])
    found = known(views)
    assert len(found) == 6
    assert found[0].at_mean["nll"] == 0.9
    assert axes_among(views) == ["temperature"]
    assert axes_among(views[:3]) == []


def test_a_group_has_its_picture_when_that_is_opened(study, open_page):
    app = open_page("runs", view="groups", group="mine")
    assert not app.exception
    assert not charts(app)
    app.session_state["group-picture"] = True
    app.run()
    assert not app.exception
    drawn = charts(app)
    assert set(drawn) == {f"group-against-mine-{k}" for k in ("nll", "ece", "accuracy")}
    assert "the best colder, 0.1, differs from temperature 1 (Bayes)" in text(app)
    assert "better beyond the spread of 3 seeds, a cold posterior effect" in text(app)


def test_a_group_that_differs_in_no_number_has_none(root, open_page):
    for seed in (0, 1):
        write(root, f"a-{seed}", seed)
    app = open_page("runs", view="groups", group="mine")
    assert not [each for each in app.expander if each.label == "Against a setting"]


def test_results_that_nobody_has_read_yet_are_read(study, monkeypatch):
    monkeypatch.setattr(reading, "SCREENFUL", 1)
    views, _ = reading.summaries(study, patience=0.0)
    assert [view.pending for view in views] == [False] + 5 * [True]
    assert axes_among(views) == ["temperature"]
    found = known(views)
    assert len(found) == 6
    assert found[5].metrics["nll"] == pytest.approx(0.502)
    assert found[5].at_mean["nll"] == 0.9


def test_an_address_with_a_setting_opens_the_picture(study, open_page):
    app = open_page("runs", view="groups", group="mine", against="temperature")
    assert not app.exception
    assert "group-against-mine-nll" in charts(app)

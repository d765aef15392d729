"""Tests of the folder of a search."""

import json

import pytest

from tests.trainers.tuning.examples import LR, asked, stage, trial
from trainers.runs import RunError, list_runs, read_json, write_json
from trainers.tuning.spaces import Dimension
from trainers.tuning.study import (
    FINISHED,
    append_trial,
    find_study,
    held,
    load_asked,
    new_study,
    note_stage,
    note_state,
    read_trials,
    studies_folder,
)


def test_what_was_asked_goes_through_the_folder():
    wanted = asked("vogn", given=("lr",), prior="elbo", min_epochs=2)
    study = new_study(wanted)
    assert load_asked(study) == wanted
    about = read_json(study.about)
    assert about["state"] == "running"
    assert {"python", "torch", "optuna", "vogn-app"} <= set(about["versions"])
    assert study.path.parent == studies_folder()
    assert list_runs() == []


def test_a_study_is_found_by_id_and_by_path(tmp_path):
    study, other = new_study(asked()), new_study(asked(), tmp_path / "mine")
    assert find_study(study.path.name) == study
    assert find_study(str(tmp_path / "mine")) == other
    for name in ("none", "", str(tmp_path)):
        with pytest.raises(RunError, match="There is no study"):
            find_study(name)
    with pytest.raises(RunError, match="must be new or empty"):
        new_study(asked(), tmp_path / "mine")


def test_a_damaged_study_is_told():
    study = new_study(asked())
    about = read_json(study.about)
    write_json(study.about, about | {"schema": 9})
    with pytest.raises(RunError, match="must have schema 1, got 9"):
        load_asked(study)
    write_json(study.about, about | {"asked": {}})
    with pytest.raises(RunError, match="is not a study: what was asked is damaged"):
        load_asked(study)


def test_trials_are_kept_and_a_torn_line_is_cut_off():
    study = new_study(asked())
    assert read_trials(study) == []
    trials = [trial(number) for number in range(3)]
    for each in trials:
        append_trial(study, each)
    whole = study.trials.read_bytes()
    with study.trials.open("ab") as file:
        file.write(b'{"stage": "sea')
    assert read_trials(study) == trials
    assert study.trials.read_bytes() == whole
    study.trials.write_bytes(b"{}\n" + whole)
    with pytest.raises(RunError, match=r"trials.jsonl is damaged"):
        read_trials(study)


def test_stages_are_noted_once_and_must_stay_as_they_are():
    study = new_study(asked())
    note_stage(study, stage(reference=trial()))
    note_stage(study, stage(reference=trial()))
    note_stage(study, stage(name="prior"))
    first, second = read_json(study.about)["stages"]
    assert first["name"] == "search"
    assert first["reference_nll"] == 0.3
    assert first["space"][0]["low"] == LR.low
    assert second["reference_nll"] is None
    other = Dimension(name="lr", low=1e-5, high=1)
    with pytest.raises(RunError, match="begun by another version of the code"):
        note_stage(study, stage(space=(other,)))


def test_the_state_is_noted_beside_the_rest():
    study = new_study(asked())
    note_state(study, FINISHED, "done")
    about = json.loads(study.about.read_text())
    assert (about["state"], about["message"]) == (FINISHED, "done")
    assert load_asked(study) == asked()


def test_one_process_at_a_time():
    study = new_study(asked())
    with held(study):
        other = held(study)
        with pytest.raises(RunError, match="Another process is at the study"):
            other.__enter__()
    with held(study):
        pass

"""Tests of `ui/components/results.py`."""

import json

import pytest

from tests.ui import fakes
from ui.components import results as module
from ui.components.results import NOTHING, results


def test_the_headline_is_that_of_the_file(root):
    run = fakes.write_run(root, "a", evaluated=True)
    content = json.loads(run.evaluation.read_text())
    found = results(run)
    assert found.metrics["nll"] == content["metrics"]["nll"]
    patches = content["ood"]["photo-patches"]
    assert found.ood["photo-patches"]["auroc"] == patches["auroc"]
    assert "histogram" not in found.ood["photo-patches"]
    assert found.problem == ""


def test_a_file_is_parsed_once_until_it_changes(root, monkeypatch):
    run = fakes.write_run(root, "a", evaluated=True)
    parsed = []
    read = module.read_json

    def counting(path):
        parsed.append(path)
        return read(path)

    monkeypatch.setattr(module, "read_json", counting)
    assert results(run, read=False) is None  # not yet
    assert results(run) is results(run) is results(run, read=False)
    assert len(parsed) == 1
    run.evaluation.write_text('{"schema": 1, "metrics": {"nll": 7.0}}')
    assert results(run).metrics == {"nll": 7.0}
    assert len(parsed) == 2


def test_before_an_evaluation_there_is_nothing(root):
    assert results(fakes.write_run(root, "a")) == NOTHING


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"metrics": []}'])
def test_a_damaged_file_is_told(root, text):
    run = fakes.write_run(root, "a")
    run.evaluation.write_text(text)
    assert "evaluation.json" in results(run).problem


def test_only_numbers_are_taken(root):
    run = fakes.write_run(root, "a")
    metrics = {"a": 1, "b": True, "c": "1", "d": None, "e": 10**400, "f": [1]}
    content = {"metrics": metrics, "ood": {"x": 3, "y": {"auroc": 0.5}}}
    run.evaluation.write_text(json.dumps(content))
    found = results(run)
    assert found.metrics == {"a": 1.0}
    assert found.ood == {"x": {}, "y": {"auroc": 0.5}}
    run.evaluation.write_text('{"metrics": {"a": NaN}, "ood": []}')
    assert results(run).metrics == results(run).ood == {}

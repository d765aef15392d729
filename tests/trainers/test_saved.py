"""Tests of `trainers/saved.py`."""

import json
from pathlib import Path

import pytest

from tests.ui.fakes import config
from trainers.flags import config_from_options
from trainers.runs import RunError, list_runs
from trainers.saved import (
    MAX_BYTES,
    checked_name,
    delete_config,
    find_saved,
    parsed_config,
    save_config,
    saved_configs,
    saved_folder,
)


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """Keep the saved configurations in the test's folder."""
    monkeypatch.setenv("VOGN_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def test_a_configuration_is_saved_found_listed_and_deleted():
    assert saved_configs() == []
    saved = save_config(" my baseline ", config(epochs=7))
    assert saved.name == "my baseline"
    assert find_saved("my baseline") == saved
    assert saved_configs() == [saved]
    assert saved.config == config(epochs=7)
    assert list_runs() == []
    delete_config("my baseline")
    assert saved_configs() == []
    with pytest.raises(RunError, match="cannot be deleted"):
        delete_config("my baseline")


def test_a_name_that_is_taken_is_replaced_only_when_told():
    save_config("a", config(epochs=7))
    with pytest.raises(RunError, match="There is a configuration 'a' already"):
        save_config("a", config(epochs=8))
    assert find_saved("a").config == config(epochs=7)
    save_config("a", config(epochs=8), overwrite=True)
    assert find_saved("a").config == config(epochs=8)


def test_of_two_that_save_one_name_at_once_one_is_told(monkeypatch):
    config_of_other = config(epochs=7)

    def both(*_):  # when the first has looked, the second is there
        path = saved_folder() / "a.json"
        path.write_text(json.dumps(config_of_other.to_dict()))
        return iter(())

    monkeypatch.setattr(Path, "glob", both)
    with pytest.raises(RunError, match="There is a configuration 'a' already"):
        save_config("a", config(epochs=8))
    assert find_saved("a").config == config_of_other


def test_no_more_are_saved_than_the_list_shows(monkeypatch):
    monkeypatch.setattr("trainers.saved.MAX_SAVED", 2)
    for name in "ab":
        save_config(name, config())
    with pytest.raises(RunError, match="There are 2 saved configurations"):
        save_config("c", config())
    save_config("b", config(epochs=3), overwrite=True)
    assert [each.name for each in saved_configs()] == ["a", "b"]


def test_a_disk_that_is_full_leaves_no_name_behind(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("trainers.saved.write_json", full)
    with pytest.raises(RunError, match="No space left"):
        save_config("a", config())
    assert saved_configs() == []


def test_the_file_is_one_that_the_command_line_takes():
    from trainers.__main__ import build_parser

    path = save_config("a", config("moons", epochs=9)).path
    options = build_parser().parse_args(["run", "--config", str(path)])
    assert config_from_options(options) == config("moons", epochs=9)


@pytest.mark.parametrize(
    "name", ["", " ", "../a", "a/b", ".hidden", "a" * 65, "<b>", "a\x00", "a\nb"]
)
def test_names_that_lead_elsewhere_are_refused(name):
    with pytest.raises(ValueError, match="name must have at most 64 letters"):
        save_config(name, config())
    assert find_saved(name) is None
    with pytest.raises(ValueError, match="name must"):
        delete_config(name)
    assert checked_name("Übung 2, lr=0.1") == "Übung 2, lr=0.1"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "is not a configuration: Expecting"),
        (b"[]", "must be an object"),
        (b"\xff\xfe", "is not a configuration"),
        (b"[" * 50_000, "is not a configuration"),
        (b" " * (MAX_BYTES + 1), "at most 100,000 bytes, got 100,001"),
        (b'{"schema": 1}', "is not a configuration"),
        (b'{"schema": 9}', "schema must be 1, got 9"),
    ],
)
def test_damaged_files_are_told_and_can_be_deleted(content, told):
    with pytest.raises(ValueError, match=told):
        parsed_config(content)
    saved_folder().mkdir(parents=True)
    (saved_folder() / "broken.json").write_bytes(content)
    (saved,) = saved_configs()
    assert saved.config is None
    assert saved.problem
    delete_config("broken")
    assert saved_configs() == []


def test_unknown_keys_and_values_are_told():
    content = config().to_dict()
    content["training"]["speed"] = 9
    with pytest.raises(ValueError, match="got 'speed'"):
        parsed_config(json.dumps(content).encode())
    content = config().to_dict()
    content["training"]["epochs"] = -1
    with pytest.raises(ValueError, match="epochs must be"):
        parsed_config(json.dumps(content).encode())


def test_a_folder_that_cannot_be_written_is_told(root):
    root.parent.mkdir(exist_ok=True)
    root.touch()
    with pytest.raises(RunError, match="cannot be written"):
        save_config("a", config())


def test_a_name_has_few_enough_bytes_for_the_disk():
    long = "\N{CJK UNIFIED IDEOGRAPH-20000}" * 51
    with pytest.raises(ValueError, match="at most 200 bytes in UTF-8, got 204"):
        save_config(long, config())
    assert find_saved(long) is None
    assert save_config(long[:50], config()).name == long[:50]

"""Tests of run folders: writing, finding and reading them."""

import json
import math
import os
from functools import cached_property
from pathlib import Path

import pytest

from tests.trainers.examples import config, run_of
from trainers import runs
from trainers.runs import (
    Run,
    RunError,
    check_free,
    find_run,
    list_runs,
    load_config,
    log_tail,
    metric_line,
    new_paths,
    new_run,
    read_json,
    read_metrics,
    replacing,
    runs_root,
    truncate_metrics,
    whole_path,
    write_atomically,
    write_json,
)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_atomically(path, b"old")

    def fail(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_atomically(path, b"old")

    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"old"]


def test_what_is_written_bit_by_bit_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "a"
    with replacing(path) as file:
        file.write(b"one, ")
        assert not path.exists()
        file.write(b"two")
    assert path.read_bytes() == b"one, two"


def test_what_is_broken_off_does_not_appear(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def write():
        with replacing(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_is_written_without_nan(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": [1, "é"]})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": math.nan})
    assert read_json(path) == {"a": [1, "é"]}


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe\x00", b"", b"[" * 100_000])
def test_damaged_json_is_named(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"a\.json cannot be read: "):
        read_json(path)


def test_missing_json_and_folders_are_named(tmp_path):
    with pytest.raises(RunError, match=r"a\.json does not exist"):
        read_json(tmp_path / "a.json")
    with pytest.raises(RunError, match="cannot be read"):
        read_json(tmp_path)


def test_the_root_is_that_of_the_environment(tmp_path, monkeypatch):
    assert runs_root() == tmp_path / "runs"
    monkeypatch.setenv("VOGN_RUNS", "")
    monkeypatch.chdir(tmp_path)
    assert runs_root() == tmp_path / "runs"


def test_new_runs_hold_their_configuration_and_have_names_of_their_own():
    first, second = new_run(config(), "1.2"), new_run(config(), "1.2")
    assert first.path.parent == runs_root()
    assert first.id != second.id
    assert load_config(first) == config()
    assert read_json(first.config)["code_version"] == "1.2"


def test_new_paths_are_unique_in_their_order_and_not_made():
    paths = new_paths(200)
    assert paths == sorted(set(paths))
    assert len(paths) == 200
    assert {path.parent for path in paths} == {runs_root()}
    assert all(runs.RUN_ID.fullmatch(path.name) for path in paths)
    assert not runs_root().exists()
    assert len(new_paths()) == 1
    assert new_paths(0) == []
    assert not set(paths) & set(new_paths(200))


def test_a_free_place_is_new_or_an_empty_folder(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new", "new/below"):
        check_free(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / ".x").touch()
    for name in ("file", "full"):
        with pytest.raises(RunError, match="run folder must be new or empty, got"):
            check_free(tmp_path / name)
    with pytest.raises(RunError, match="cannot be made: "):
        check_free(tmp_path / ("é" * 128))  # too many bytes for the file system


def test_a_run_has_one_spelling(tmp_path, monkeypatch):
    """The job store knows a run by it."""
    (tmp_path / "here").mkdir()
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "here" / "link").symlink_to(tmp_path / "far" / "deep")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("VOGN_RUNS", "../runs")
    assert runs_root() == tmp_path / "runs"
    run = new_run(config(), "1")
    other = run_of(Path("../elsewhere/./x"))
    assert other.path == tmp_path / "elsewhere" / "x"
    assert find_run(f"../runs/{run.id}") == find_run(run.id) == run == list_runs()[0]
    assert find_run("link/../../elsewhere/x") == other  # as the system sees it
    assert whole_path(Path("link")) == tmp_path / "far" / "deep"


def test_run_folders_may_have_spaces_and_be_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = run_of(Path("a b/c d"))
    assert run.path == tmp_path / "a b" / "c d"
    assert load_config(find_run("a b/c d")) == config()


def test_an_empty_folder_is_taken_and_a_full_one_is_not(tmp_path):
    (tmp_path / "empty").mkdir()
    run_of(tmp_path / "empty")
    for path in (tmp_path / "empty", tmp_path):
        with pytest.raises(RunError, match="run folder must be new or empty, got"):
            run_of(path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="run folder must be new or empty"):
        run_of(tmp_path / "file")


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match=r"run folder .* cannot be made: "):
        run_of(tmp_path / "file" / "run")


@pytest.mark.parametrize("name", ["a b", "é 2", "lr=0.1,seed=2", "x" * 128, "7"])
def test_what_may_be_made_is_listed_and_found(tmp_path, name):
    root = tmp_path / "runs"
    run = run_of(root / name)
    assert list_runs(root) == [run]
    assert find_run(name, root) == run


@pytest.mark.parametrize(
    "name",
    [".hidden", "x" * 129, "-x", "a ", "a\nb", "<b>", "a*b", "_", "..a", ":red[a]"],
)
def test_what_would_not_be_listed_is_not_made(tmp_path, name):
    root = tmp_path / "runs"
    with pytest.raises(RunError, match="run folder must have a name of at most 128"):
        run_of(root / name)
    assert not root.exists()
    assert not runs.RUN_ID.fullmatch(name)


def test_runs_are_found_by_id_and_by_path(tmp_path, monkeypatch):
    inside, outside = new_run(config(), "1"), run_of(tmp_path / "elsewhere")
    assert find_run(inside.id) == inside
    assert find_run(str(outside.path)) == outside
    monkeypatch.chdir(tmp_path)
    assert find_run("./elsewhere") == outside
    monkeypatch.chdir(outside.path)
    assert find_run(".") == outside


@pytest.mark.parametrize(
    "name",
    [
        "../elsewhere", "..", "", "<script>", "a b", "x" * 129, "/" + "x" * 300,
        "a\0b", "-x", "nothing", "a/b\0", "é",
    ],
)  # fmt: skip
def test_weird_names_find_nothing(tmp_path, name):
    run_of(tmp_path / "elsewhere")
    root = tmp_path / "runs"
    root.mkdir()
    with pytest.raises(RunError, match="There is no run"):
        find_run(name, root)


def test_only_run_folders_are_listed_newest_first(tmp_path):
    root = tmp_path / "runs"
    assert list_runs() == []
    for name in ("20250101-a", "20260101-b"):
        run_of(root / name)
    (root / "empty").mkdir()
    (root / "file").write_text("x")
    (root / ".deleted-20250101-c").mkdir()
    (root / ".deleted-20250101-c" / "config.json").write_text("{}")
    (root / "damaged").mkdir()
    (root / "damaged" / "status.json").write_text("{")
    ids = [run.id for run in list_runs()]
    assert ids == ["damaged", "20260101-b", "20250101-a"]
    assert list_runs(tmp_path / "absent") == []


def test_a_damaged_configuration_is_named(tmp_path):
    run = run_of(tmp_path / "a")
    for content in ("[]", '{"schema": 1}', '{"schema": 9}', "{"):
        run.config.write_text(content)
        with pytest.raises(RunError, match=r"config\.json (is not a conf|cannot be r)"):
            load_config(run)
    run.config.write_text(json.dumps(config().to_dict() | {"model": {"name": 5}}))
    with pytest.raises(RunError, match="is not a configuration: model must be a text"):
        load_config(run)


def test_metrics_are_read_as_they_grow(tmp_path):
    run = Run(tmp_path)
    assert read_metrics(run) == ([], 0)
    with run.metrics.open("ab", buffering=0) as file:
        file.write(b'{"step": 1}\n{"st')
        rows, offset = read_metrics(run)
        assert (rows, offset) == ([{"step": 1}], 12)
        assert read_metrics(run, offset) == ([], 12)
        file.write(b'ep": 2}\n')
        rows, offset = read_metrics(run, offset)
        assert (rows, offset) == ([{"step": 2}], 24)
        file.write(b'{"step": 3\n\xff\xfe\n[4]\n\n"x"\nnull\n{"step": 5}\n')
        rows, offset = read_metrics(run, offset)
        assert rows == [{"step": 5}]
        assert offset == run.metrics.stat().st_size


def test_rows_after_a_step_are_cut_with_all_that_is_damaged(tmp_path):
    run = Run(tmp_path)
    truncate_metrics(run, 3)
    assert not run.metrics.exists()
    lines = ['{"step": 1}', '{"step": 3, "x": NaN}', '{"step": null}', "{}", "junk",
             '{"step": "2"}', '{"step": 4}', '{"ste']  # fmt: skip
    run.metrics.write_text("\n".join(lines))
    truncate_metrics(run, 3)
    assert run.metrics.read_text() == '{"step": 1}\n{"step": 3, "x": null}\n'


def test_the_closing_row_of_an_unfinished_epoch_is_cut(tmp_path):
    run = Run(tmp_path)
    rows = [
        {"kind": "step", "step": 2, "epoch": 1.0},
        {"kind": "epoch", "step": 2, "epoch": 1},
        {"kind": "step", "step": 4, "epoch": 2.0},
        {"kind": "epoch", "step": 4, "epoch": 2},
    ]
    run.metrics.write_text("".join(map(metric_line, rows)))
    truncate_metrics(run, 4, 1)
    assert read_metrics(run)[0] == rows[:3]


def test_values_that_are_not_finite_become_null():
    row = {"a": math.nan, "b": math.inf, "c": -math.inf, "d": 1.5, "e": "x", "f": 2}
    expected = {"a": None, "b": None, "c": None, "d": 1.5, "e": "x", "f": 2}
    assert json.loads(metric_line(row)) == expected


def test_the_tail_of_a_log_shows_the_last_state_of_the_bar(tmp_path):
    run = Run(tmp_path)
    assert log_tail(run.log) == ""
    run.log.parent.mkdir()
    run.log.write_bytes(b"first\r\n\r10%\r20%\nend \xff\n")
    assert log_tail(run.log) == "first\n20%\nend \ufffd"
    assert log_tail(run.log_of(1)) == log_tail(tmp_path) == ""


def test_the_tail_of_a_huge_log_is_short(tmp_path):
    run = Run(tmp_path)
    run.log.parent.mkdir()
    with run.log.open("wb") as file:
        file.seek(2**30)  # sparse
        file.write(b"\nlast line\n")
    tail = log_tail(run.log, 100)
    assert len(tail) <= 100
    assert tail.endswith("last line")


def test_every_file_of_a_run_is_inside_its_folder(tmp_path):
    run = Run(tmp_path / "a")
    found = {k for k, v in vars(Run).items() if isinstance(v, cached_property)}
    names = found - {"id"}
    assert {"config", "status", "metrics", "log"} <= names
    assert all(run.path in getattr(run, name).parents for name in names)
    assert run.id == "a"
    assert runs.RUN_ID.fullmatch(run.id)


def test_what_cannot_be_looked_at_is_not_there(tmp_path, monkeypatch):
    far = tmp_path / ("x" * 300)
    with pytest.raises(OSError, match="too long"):
        far.exists()
    assert not runs.is_there(far)
    assert runs.is_there(tmp_path)
    assert not runs.is_there(tmp_path / "nothing")


def test_one_closed_folder_hides_no_other(tmp_path, monkeypatch):
    open_run, closed = run_of(tmp_path / "runs" / "a"), run_of(tmp_path / "runs" / "b")
    real = os.stat

    def stat(path, *words, **more):
        if str(path).startswith(f"{closed.path}/"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *words, **more)

    monkeypatch.setattr(os, "stat", stat)
    assert list_runs(tmp_path / "runs") == [open_run]
    with pytest.raises(RunError, match="There is no run 'b'"):
        find_run("b", tmp_path / "runs")

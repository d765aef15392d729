"""Tests of `ui/views/run/files.py`."""

import pytest

from tests.trainers.continual.examples import record
from tests.ui import fakes
from trainers.continual.record import write_record
from trainers.runs import RunError
from ui.views.run.files import MOST_FILES, content, files_of, is_inside, size_text


@pytest.fixture
def run(root):
    return fakes.write_run(root, "a", evaluated=True)


def names(run):
    return [file.name for file in files_of(run)]


def test_every_file_is_listed_with_its_size_and_what_it_is(run):
    assert names(run) == [
        "evaluation.json", "predictions.npz", "images.npz", "config.json",
        "metrics.jsonl", "status.json", "log/rank0.log",
    ]  # fmt: skip
    for file in files_of(run):
        assert file.size == file.path.stat().st_size
        assert file.what.endswith(".")
        assert "Not a file" not in file.what


def test_files_of_trainers_reports_and_strangers_are_told_apart(run):
    for name in ("checkpoint/last.pt", "report/report.html", "notes.txt", ".hidden"):
        (run.path / name).parent.mkdir(exist_ok=True)
        (run.path / name).write_text("x")
    told = {file.name: file for file in files_of(run)}
    assert "goes on" in told["checkpoint/last.pt"].what
    assert told["report/report.html"].what == "Part of a report on this run."
    assert told["report/report.html"].mime == "text/html"
    for name in ("log/shift.lock", "log/tsne.json", "log/shift.log", "embedding.npz"):
        (run.path / name).touch()
    told |= {file.name: file for file in files_of(run)}
    assert told["log/shift.lock"].what == "Held while it is computed."
    assert told["log/tsne.json"].what.startswith("What was computed of this run later")
    assert told["log/shift.log"].what == "What was printed while it was computed."
    assert told["log/rank0.log"].what == "What one rank printed."
    assert "t-SNE" in told["embedding.npz"].what
    assert told["notes.txt"].what == "Not a file of this program."
    assert ".hidden" not in told


def test_a_download_is_the_file_byte_for_byte(run):
    assert content(run, run.predictions) == run.predictions.read_bytes()


def test_a_link_to_a_place_elsewhere_is_refused(run, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "key.txt").write_text("key")
    (run.path / "posterior.safetensors").symlink_to(secret)
    (run.path / "report").symlink_to(tmp_path / "folder")
    assert {"posterior.safetensors", "report/key.txt"}.isdisjoint(names(run))
    for path in (
        run.posterior,
        run.path / "report" / "key.txt",
        run.path / ".." / ".." / "secret.txt",
        secret,
        run.path / "none",
        run.path / "log",
    ):
        with pytest.raises(RunError, match="must be a file of run a"):
            content(run, path)


def test_a_file_that_became_a_link_since_is_refused(run, tmp_path):
    (file,) = [file for file in files_of(run) if file.name == "status.json"]
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    file.path.unlink()
    file.path.symlink_to(secret)
    with pytest.raises(RunError, match="must be a file of run a"):
        content(run, file.path)


def test_a_link_within_the_folder_is_followed(run):
    (run.path / "newest.log").symlink_to(run.log)
    assert content(run, run.path / "newest.log") == run.log.read_bytes()


def test_links_in_a_circle_are_no_file(run):
    (run.path / "a.txt").symlink_to(run.path / "b.txt")
    (run.path / "b.txt").symlink_to(run.path / "a.txt")
    assert not is_inside(run, run.path / "a.txt")
    assert "a.txt" not in names(run)


def test_a_folder_of_runs_may_be_a_link_itself(run, tmp_path):
    (tmp_path / "link").symlink_to(run.path.parent)
    linked = type(run)(tmp_path / "link" / "a")
    assert content(linked, linked.config) == run.config.read_bytes()
    assert names(linked) == names(run)


def test_a_folder_of_very_many_files_is_cut(run):
    (run.path / "report").mkdir()
    for k in range(MOST_FILES + 3):
        (run.path / "report" / f"{k}.csv").touch()
    assert len(files_of(run)) == MOST_FILES


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (56_300, "56.3 kB"),
        (999_900, "1 MB"), (21_907_200, "21.9 MB"), (5 * 10**12, "5 TB"),
    ],
)  # fmt: skip
def test_sizes_are_told_in_the_unit_that_suits(size, told):
    assert size_text(size) == told


def test_the_configuration_of_tasks_starts_no_training_of_its_own(run):
    def told():
        return next(f.what for f in files_of(run) if f.name == "config.json")

    assert "python -m trainers run" in told()
    write_record(run, record())
    assert "python -m trainers run" not in told()

"""Tests of `ui/views/run/downloads.py`, on the page that shows it."""

from tests.ui import fakes
from tests.ui.seen import errors, text
from ui.views.run import downloads


def opened(open_page):
    app = open_page("run", run="a", tab="Downloads")
    assert not app.exception
    return app


def offered(app):
    return [each.label.replace("\\", "") for each in app.download_button]


def test_files_that_exist_are_offered_with_what_they_are(open_page, root):
    run = fakes.write_run(root, "a", evaluated=True)
    app = opened(open_page)
    assert offered(app) == [
        "evaluation.json", "predictions.npz", "images.npz", "config.json",
        "metrics.jsonl", "status.json", "log/rank0.log",
    ]  # fmt: skip
    assert "Every number of the evaluation" in text(app)
    assert "7 files of " in text(app)
    assert str(run.path) in text(app)
    assert "Use the posterior elsewhere" not in text(app)


def test_nothing_is_read_before_the_click(open_page, root, monkeypatch):
    def unwanted(run, path):
        raise AssertionError(path)

    fakes.write_run(root, "a", evaluated=True)
    monkeypatch.setattr(downloads, "content", unwanted)
    assert offered(opened(open_page))


def test_a_link_to_elsewhere_is_not_offered(open_page, root, tmp_path):
    run = fakes.write_run(root, "a")
    (tmp_path / "secret.txt").write_text("secret")
    run.shift.symlink_to(tmp_path / "secret.txt")
    app = opened(open_page)
    assert "shift.npz" not in offered(app)
    assert "secret" not in text(app)


def test_of_a_very_large_file_the_path_is_given(open_page, root, monkeypatch):
    run = fakes.write_run(root, "a", evaluated=True)
    most = run.evaluation.stat().st_size - 1
    monkeypatch.setattr(downloads, "MOST_IN_MEMORY", most)
    app = opened(open_page)
    assert "evaluation.json" not in offered(app)
    assert "config.json" in offered(app)
    assert "Too large for a download" in text(app)
    assert f"copy it from {run.evaluation}" in text(app)


def test_a_posterior_comes_with_the_lines_that_use_it(open_page, root):
    run = fakes.write_run(root, "a", evaluated=True)
    run.posterior.write_bytes(b"weights")
    app = opened(open_page)
    assert "posterior.safetensors" in offered(app)
    (program,) = [item.value for item in app.code]
    assert 'build_model("mlp", (1, 8, 8), 10)' in program
    assert 'load_posterior("posterior.safetensors")' in program


def test_without_the_size_of_an_input_the_function_is_named(
    open_page, root, monkeypatch
):
    run = fakes.write_run(root, "a", evaluated=True)
    run.posterior.write_bytes(b"weights")
    monkeypatch.setattr(downloads, "posterior_snippet", lambda config, told: "")
    app = opened(open_page)
    assert not app.code
    assert "vogn_app.load_posterior" in text(app)


def test_names_of_markup_are_shown_as_they_stand(open_page, root):
    run = fakes.write_run(root, "a")
    (run.path / "a *b* [c](d).txt").write_text("x")
    app = opened(open_page)
    assert "a *b* [c](d).txt" in offered(app)
    assert "a \\*b\\* \\[c\\]\\(d\\).txt" in [b.label for b in app.download_button]
    assert not errors(app)

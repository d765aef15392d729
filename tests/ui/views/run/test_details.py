"""Tests of `ui/views/run/details.py`, on the page that shows them."""

from tests.ui import fakes
from tests.ui.seen import text
from trainers.jobs.local import Engine
from ui.components.formats import plain
from ui.views.run.details import _content


def codes(app):
    return [item.value for item in app.code]


def test_the_command_the_configuration_and_the_log_are_shown(open_page, root):
    run = fakes.write_run(root, "a", epochs=7)
    shown = codes(open_page("run", run="a"))
    assert "  --epochs 7" in shown[0]
    assert shown[1] == run.log.read_text().strip()
    assert '"epochs": 7' in shown[2]


def test_the_folder_is_shown_as_it_stands(open_page, root):
    run = fakes.write_run(root, "a _b_ c")
    told = [item.value for item in open_page("run", run="a _b_ c").caption]
    assert f"Folder: {plain(str(run.path))}" in told
    assert plain(str(run.path)) != str(run.path)


def test_only_files_that_exist_are_offered(open_page, root):
    fakes.write_run(root, "a")
    fakes.write_run(root, "b", evaluated=True)
    offered = [b.label for b in open_page("run", run="a").download_button]
    assert offered == ["config.json"]
    (root / "b" / "posterior.safetensors").write_bytes(b"weights")
    fakes.write_run(root, "c", evaluated=True)
    offered = [b.label for b in open_page("run", run="b").download_button]
    assert offered == [
        "evaluation.json", "predictions.npz", "posterior.safetensors", "config.json",
    ]  # fmt: skip
    offered = [b.label for b in open_page("run", run="c").download_button]
    assert offered == ["evaluation.json", "predictions.npz", "config.json"]


def test_a_download_is_the_file_byte_for_byte(root):
    run = fakes.write_run(root, "a", evaluated=True)
    assert _content(run.predictions) == run.predictions.read_bytes()


def test_of_several_ranks_one_log_is_shown(open_page, root):
    run = fakes.write_run(root, "a")
    run.log_of(1).write_text("rank 1 was here")
    (run.log.parent / "launcher.log").write_text("launcher")
    app = open_page("run", run="a")
    assert list(app.selectbox(key="rank").options) == ["Rank 0", "Rank 1"]
    assert "rank 1 was here" not in codes(app)
    app.selectbox(key="rank").set_value(1).run()
    assert "rank 1 was here" in codes(app)


def test_the_engine_tells_the_log_of_the_run_and_its_folder_those_of_ranks(
    open_page, root, monkeypatch
):
    run = fakes.write_run(root, "a")
    run.log_of(1).write_text("rank 1 was here")
    monkeypatch.setattr(Engine, "logs", lambda self, run: f"{run.id} from afar")
    app = open_page("run", run="a")
    assert "a from afar" in codes(app)
    app.selectbox(key="rank").set_value(1).run()
    assert "rank 1 was here" in codes(app)
    assert "a from afar" not in codes(app)


def test_one_rank_leaves_nothing_to_choose(open_page, root):
    fakes.write_run(root, "a")
    assert not open_page("run", run="a").selectbox


def test_the_webhook_is_mentioned(open_page, root):
    fakes.write_run(root, "a")
    assert "VOGN_WEBHOOK" in text(open_page("run", run="a"))

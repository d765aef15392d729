"""Tests of `ui/views/run/log.py`, on the page that shows it."""

import pytest

from tests.ui import fakes
from tests.ui.seen import errors, text
from trainers.jobs.failures import Report, write_report
from trainers.jobs.local import Engine
from trainers.runs import RunError
from trainers.status import Process
from ui.views.run import log as module
from ui.views.run.log import lines_of, logs, matching


def opened(open_page, **query):
    app = open_page("run", run="a", tab="Log", **query)
    assert not app.exception
    return app


def code(app):
    (shown,) = [item.value for item in app.code]
    return shown


def test_the_end_of_the_log_is_shown_with_how_much_there_is(open_page, root):
    run = fakes.write_run(root, "a")
    run.log.write_text("".join(f"line {k}\n" for k in range(300)))
    app = opened(open_page)
    assert code(app) == "\n".join(f"line {k}" for k in range(200, 300))
    assert "300 lines, 2.59 kB in all; the last 100 are shown." in text(app)
    app.selectbox(key="log_lines").set_value(500).run()
    assert code(app).startswith("line 0\n")


def test_only_lines_with_a_text_are_shown(open_page, root):
    run = fakes.write_run(root, "a")
    run.log.write_text("Epoch 1\nloss [0.5]\nEPOCH 2\n")
    app = opened(open_page, log_find="epoch")
    assert code(app) == "Epoch 1\nEPOCH 2"
    assert "3 lines, 27 bytes in all; 2 with 'epoch', the last 2 are shown." in text(
        app
    )
    app.text_input(key="log_find").set_value("[0.5]").run()  # no pattern
    assert code(app) == "loss [0.5]"
    app.text_input(key="log_find").set_value("<b>*x*").run()
    assert code(app) == "No line has it."
    assert "0 with '<b>*x*'" in text(app)


def test_of_several_ranks_one_log_is_shown(open_page, root):
    run = fakes.write_run(root, "a")
    run.log_of(1).write_text("rank 1 was here")
    (run.log.parent / "launcher.log").write_text("launched")
    (run.log.parent / "mirrors.log").touch()
    app = opened(open_page)
    options = ["Rank 0", "Rank 1", "Launcher"]
    assert list(app.selectbox(key="log_of").options) == options
    assert "rank 1 was here" not in code(app)
    app.selectbox(key="log_of").set_value("Rank 1").run()
    assert code(app) == "rank 1 was here"
    assert code(opened(open_page, log_of="Launcher")) == "launched"


@pytest.mark.parametrize("name", ["Rank 7", "../../secret", "<b>"])
def test_a_log_that_is_not_there_is_not_shown(open_page, root, name):
    run = fakes.write_run(root, "a")
    run.log_of(1).write_text("rank 1 was here")
    assert code(opened(open_page, log_of=name)) == run.log.read_text().strip()


def test_one_rank_leaves_nothing_to_choose(open_page, root):
    fakes.write_run(root, "a")
    assert [box.key for box in opened(open_page).selectbox] == ["log_lines"]


def test_the_rank_that_failed_first_comes_first(open_page, root):
    run = fakes.write_run(root, "a", state="failed", error_class="data", message="No.")
    run.log_of(1).write_text("rank 1 failed")
    write_report(run, Report(exitcode=1, pid=7, rank=1, local_rank=1, timestamp=1))
    app = opened(open_page)
    assert code(app) == "rank 1 failed"
    assert "**Data.** No." in errors(app)
    assert "Check the named file or folder" in errors(app)


def test_the_engine_tells_what_is_not_in_the_folder(open_page, root, monkeypatch):
    run = fakes.write_run(root, "a")
    run.log.unlink()
    monkeypatch.setattr(Engine, "logs", lambda self, run: f"{run.id} from afar")
    assert code(opened(open_page)) == "a from afar"


def test_an_engine_without_it_says_so(open_page, root, monkeypatch):
    def broken(self, run):
        raise RunError("the log is out of reach.")

    run = fakes.write_run(root, "a")
    run.log.unlink()
    monkeypatch.setattr(Engine, "logs", broken)
    app = opened(open_page)
    assert "the log is out of reach." in errors(app)
    assert "Nothing printed" in code(app)


def test_a_live_run_may_have_nothing_to_say_yet(open_page, root, alive):
    run = fakes.write_run(root, "a", state="running", trainer=Process.of(alive))
    run.log.write_text("")
    assert code(opened(open_page)) == "Nothing printed so far."


def test_a_log_grows(open_page, root):
    run = fakes.write_run(root, "a")
    app = opened(open_page)
    with run.log.open("a") as file:
        file.write("epoch 3: loss 0.1\n")
    assert code(app.run()).endswith("epoch 3: loss 0.1")


def test_a_link_out_of_the_folder_is_refused(open_page, root, tmp_path):
    run = fakes.write_run(root, "a")
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    run.log_of(1).symlink_to(secret)
    app = opened(open_page, log_of="Rank 1")
    assert "link out of the folder" in errors(app)
    assert not app.code
    assert not app.download_button


@pytest.mark.parametrize("name", ["rank1.log", "launcher.log"])
def test_a_link_to_nowhere_costs_nothing_else(open_page, root, name):
    run = fakes.write_run(root, "a")
    run.log.with_name(name).symlink_to("nowhere")
    app = opened(open_page)
    assert not app.exception
    assert not app.error
    assert code(app).endswith("epoch 2: loss 0.6")


def test_an_empty_log_is_not_counted(open_page, root):
    fakes.write_run(root, "a").log.write_text("")
    app = opened(open_page)
    assert "0 lines" not in text(app)
    assert "Nothing printed, or it went to the terminal" in code(app)


def test_the_whole_log_is_offered(open_page, root):
    fakes.write_run(root, "a")
    assert [each.label for each in opened(open_page).download_button] == ["Whole log"]


def test_of_a_large_log_the_end_is_read(open_page, root, monkeypatch):
    run = fakes.write_run(root, "a")
    run.log.write_text("".join(f"line {k:03}\n" for k in range(300)))
    monkeypatch.setattr(module, "READ", 100)
    app = opened(open_page)
    assert code(app).startswith("line 289\n")  # no half a line
    assert "11 lines of the last 100 bytes, 2.7 kB in all" in text(app)


def test_lines_are_those_that_a_terminal_shows_at_last():
    told = "a\r\n 1%\r 50%\r100%\n\x1b[31mred\x1b[0m\n\nlast"
    assert lines_of(told) == ["a", "100%", "red", "", "last"]
    assert lines_of("") == []


def test_matching_minds_no_case_and_no_spaces_around():
    assert matching(["Loss", "nan"], " lOSS ") == ["Loss"]
    assert matching(["a", "b"], "  ") == ["a", "b"]


def test_a_run_without_logs_has_one_that_is_empty(root):
    run = fakes.write_run(root, "a")
    run.log.unlink()
    run.log.parent.rmdir()
    assert list(logs(run)) == ["Rank 0"]

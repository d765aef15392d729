"""Tests of `ui/views/launch/page.py`: races and sweeps."""

import re

from tests.ui.seen import errors, text
from trainers import jobs
from trainers.config import OptimizerConfig
from trainers.runs import load_config


def command(app):
    return app.code[0].value if app.code else ""


def test_a_race_queues_a_run_an_optimizer_and_goes_to_their_group(open_page):
    app = open_page("launch")
    app.number_input(key="vogn-prior_precision").set_value(20.0).run()
    app.segmented_control(key="kind").set_value("race").run()
    app.text_input(key="seeds").set_value("0, 1").run()
    app.text_input(key="group").set_value("who wins").run()
    app.multiselect(key="race").set_value(["vogn", "adamw", "sgd"]).run()
    assert app.button(key="launch").label == "Queue 6 runs"
    assert "the first starts at once, the others follow" in text(app)
    assert list(app.dataframe[0].value["Optimizer"]) == [
        "VOGN", "VOGN", "AdamW", "AdamW", "SGD", "SGD",
    ]  # fmt: skip
    # No command line gives a value to one of several: there is one for each.
    assert command(app).count("python -m trainers submit --dataset digits") == 6
    assert "--optimizer adamw --epochs 60 --seed 1 --group 'who wins'" in command(app)
    app.button(key="launch").click().run()
    assert not app.exception
    assert app.query_params["group"] == "who wins"
    assert app.main.markdown[0].value == "## Runs"
    runs = jobs.engine().queue()
    configs = [load_config(run) for run in runs]
    assert [c.training.seed for c in configs] == [0, 1] * 3
    assert configs[0].optimizer.hyperparameters["prior_precision"] == 20.0
    assert configs[2].optimizer == OptimizerConfig(name="adamw")
    assert {jobs.engine().state(run).group for run in runs} == {"who wins"}


def test_all_of_a_kind_join_a_race_at_once(open_page):
    app = open_page("launch")
    app.segmented_control(key="kind").set_value("race").run()
    assert app.multiselect(key="race").value == ["vogn", "adamw"]
    app.pills(key="race-kind").set_value("first_order").run()
    assert not app.exception
    assert app.multiselect(key="race").value == ["vogn", "adamw", "sgd", "lamb"]
    assert app.pills(key="race-kind").value is None
    assert app.button(key="launch").label == "Queue 4 runs"


def test_a_race_needs_somebody_who_runs(open_page):
    app = open_page("launch")
    app.segmented_control(key="kind").set_value("race").run()
    app.multiselect(key="race").set_value([]).run()
    assert "Choose two optimizers or more" in text(app)
    assert app.button(key="launch").disabled
    assert not app.error


def test_a_sweep_takes_lists_as_the_command_line_does(open_page):
    app = open_page("launch")
    app.segmented_control(key="kind").set_value("sweep").run()
    assert "Choose a setting and type its values" in text(app)
    app.selectbox(key="axis-0").set_value("lr").run()
    app.text_input(key="values-0").set_value("auto, 1e-1").run()
    app.selectbox(key="axis-1").set_value("batch_size").run()
    app.text_input(key="values-1").set_value("32, 64").run()
    app.text_input(key="seeds").set_value("0, 1, 2").run()
    assert app.button(key="launch").label == "Queue 12 runs"
    assert "--lr auto 1e-1" in command(app)
    app.button(key="launch").click().run()
    configs = [load_config(run) for run in jobs.engine().queue()]
    assert len(configs) == 12
    assert {c.optimizer.hyperparameters["lr"] for c in configs} == {"auto", 0.1}
    assert {c.training.batch_size for c in configs} == {32, 64}
    (group,) = {jobs.engine().state(run).group for run in jobs.engine().queue()}
    assert app.query_params["group"] == group


def test_a_sweep_side_by_side_takes_first_with_first(open_page):
    app = open_page("launch")
    app.segmented_control(key="kind").set_value("sweep").run()
    app.selectbox(key="axis-0").set_value("lr").run()
    app.text_input(key="values-0").set_value("0.1, 0.2").run()
    app.text_input(key="seeds").set_value("7, 8").run()
    app.radio(key="sweep-mode").set_value("list").run()
    assert app.dataframe[0].value.values.tolist() == [["7", "0.1"], ["8", "0.2"]]
    assert "--sweep list" in command(app)
    app.text_input(key="seeds").set_value("7, 8, 9").run()
    assert "as many values each" in errors(app)


def test_a_bad_value_of_a_sweep_is_told_with_its_row(open_page):
    app = open_page("launch")
    app.segmented_control(key="kind").set_value("sweep").run()
    app.selectbox(key="axis-0").set_value("lr").run()
    app.text_input(key="values-0").set_value("0.1, x").run()
    app.selectbox(key="axis-1").set_value("momentum").run()
    app.text_input(key="values-1").set_value("0.5, 2").run()
    assert "Momentum, 2: momentum must be a number in" in errors(app)
    assert "Learning rate, x: lr must be a number in" in errors(app)
    assert "0.5" not in errors(app)
    assert app.button(key="launch").disabled


def test_ranges_make_a_sweep_and_its_command_has_them_written_out(open_page):
    app = open_page("launch")
    app.segmented_control(key="kind").set_value("sweep").run()
    app.selectbox(key="axis-0").set_value("lr").run()
    app.text_input(key="values-0").set_value("0.001..0.1 log 3").run()
    app.selectbox(key="axis-1").set_value("log_interval").run()
    app.text_input(key="values-1").set_value("5..6").run()
    app.text_input(key="seeds").set_value("0..4").run()
    assert not app.error
    assert "Learning rate 3 × Log interval 2 × Seeds 5 = 30 runs" in text(app)  # noqa: RUF001
    assert "--lr 0.001 0.01 0.1" in command(app)
    assert "--seed 0 1 2 3 4" in command(app)
    assert app.button(key="launch").label == "Queue 30 runs"
    assert len(app.dataframe[0].value) == 30


def test_a_range_that_is_none_is_told_with_its_row(open_page):
    app = open_page("launch")
    app.segmented_control(key="kind").set_value("sweep").run()
    app.selectbox(key="axis-0").set_value("lr").run()
    app.text_input(key="values-0").set_value("0.1..").run()
    assert "Learning rate: a range is written like" in errors(app)
    assert app.button(key="launch").disabled


def test_a_race_is_queued_and_copied_under_one_name(open_page):
    app = open_page("launch")
    app.number_input(key="vogn-prior_precision").set_value(20.0).run()
    app.segmented_control(key="kind").set_value("race").run()
    app.multiselect(key="race").set_value(["vogn", "sgd"]).run()
    (first,) = set(re.findall(r"--group (\S+)", command(app)))
    app.run()
    assert set(re.findall(r"--group (\S+)", command(app))) == {first}
    app.text_input(key="seeds").set_value("5").run()  # other runs, another group
    (group,) = set(re.findall(r"--group (\S+)", command(app)))
    assert group != first
    app.button(key="launch").click().run()
    assert {jobs.engine().state(run).group for run in jobs.engine().queue()} == {group}


def test_seeds_that_stand_there_twice_count_once(open_page):
    app = open_page("launch")
    app.segmented_control(key="kind").set_value("sweep").run()
    app.text_input(key="seeds").set_value("1..3, 2").run()
    assert "Seeds 3 = 3 runs" in text(app)
    assert app.button(key="launch").label == "Queue 3 runs"


def test_runs_are_not_counted_while_something_is_wrong(open_page):
    app = open_page("launch")
    app.segmented_control(key="kind").set_value("sweep").run()
    app.selectbox(key="axis-0").set_value("lr").run()
    app.text_input(key="values-0").set_value("0.1, 0.2").run()
    assert "= 2 runs" in text(app)
    for typed in ("0..1 step 1e-320", "0..4 1e400", "1e308..-1e308 3"):
        app.text_input(key="seeds").set_value(typed).run()
        assert not app.exception
        assert "Seeds: a number of a range must be 0" in errors(app)
        assert "= 2 runs" not in text(app)

"""Tests of `ui/views/runs/table.py`."""

import pytest

from tests.ui import fakes
from trainers import jobs
from trainers.annotations import Annotations, write_annotations
from ui.components import reading
from ui.components.states import LOOKS
from ui.views.runs.columns import ALWAYS, catalogue
from ui.views.runs.table import arrow, chosen, drawn


def table(views, wanted=None, axes=()):
    """The cells by row, as the browser gets them."""
    return arrow(views, chosen(catalogue(views, axes), wanted, views)).to_pylist()


def shown(views, **options):
    return [each.id for each in chosen(catalogue(views), None, views, **options)]


def test_a_finished_run_has_its_numbers(root):
    view = reading.summary(fakes.write_run(root, "a", evaluated=True))
    (line,) = table([view])
    assert (line["Open"], line["Run"]) == ("Open", "a")
    assert line["State"] == ["Finished"]
    assert line["Accuracy"] == 100 * view.metrics["accuracy"]
    assert line["NLL"] == view.metrics["nll"]
    assert len(line["Loss"]) == 5


def test_a_queued_run_has_its_place_its_group_and_its_priority(root):
    _, second = jobs.engine().submit([fakes.config()] * 2, group="mine", priority=3)
    (line,) = table([reading.summary(second)])
    assert line["State"] == ["Queued #2"]
    assert (line["Group"], line["Priority"]) == ("mine", 3)


@pytest.mark.parametrize("state", ["finished", "stopped", "failed", "lost"])
def test_every_state_has_a_colour(root, state):
    views = [reading.summary(fakes.write_run(root, "a", state=state))]
    columns = chosen(catalogue(views), ["state"], views)
    options = drawn(views, columns, "open")["State"]["type_config"]["options"]
    names = [option["value"] for option in options]
    assert LOOKS[state].label in names
    assert arrow(views, columns).to_pylist()[0]["State"][0] in names


def test_places_in_the_queue_are_drawn_like_queued(root):
    jobs.engine().submit([fakes.config()] * 2)
    views, _ = reading.summaries(jobs.engine().queue())
    columns = chosen(catalogue(views), ["state"], views)
    options = drawn(views, columns, "open")["State"]["type_config"]["options"]
    colors = {option["value"]: option["color"] for option in options}
    assert colors["Queued #2"] == colors["Queued #1"] == colors["Queued"]


def test_default_columns_without_anything_to_say_are_left_out(root):
    fakes.write_run(root, "a")
    views = [reading.summary(fakes.write_run(root, "b", evaluated=True))]
    names = shown(views)
    assert {"accuracy", "curve", *ALWAYS} <= set(names)
    assert {"group", "priority", "differs", "tags", "note", "progress"}.isdisjoint(
        names
    )
    assert "ece" not in shown(views, but=["ece"])
    assert set(shown([])) == ALWAYS
    assert arrow([], chosen(catalogue([]), None, [])).num_rows == 0


def test_progress_is_shown_while_something_is_not_done(root):
    view = reading.summary(fakes.write_run(root, "a", state="stopped", done=0.5))
    assert "progress" in shown([view])


def test_the_columns_of_choice_are_shown_in_their_order(root):
    views = [reading.summary(fakes.write_run(root, "a"))]
    wanted = ["setting.seed", "nope", "state", "nll", "setting.lr"]
    columns = chosen(catalogue(views), wanted, views)
    assert [column.id for column in columns] == ["setting.seed", "state", "setting.lr"]
    (line,) = arrow(views, columns).to_pylist()
    assert list(line) == ["Open", "Run", "Seed", "State", "Learning rate"]
    assert line["Seed"] == 0


def test_a_setting_is_a_number_where_all_are_and_else_a_word(root):
    vogn = reading.summary(fakes.write_run(root, "a"))
    sgd = reading.summary(fakes.write_run(root, "b", optimizer="sgd"))
    wanted = ["setting.lr", "setting.couple_momentum"]
    number, word = (table([view], wanted)[0]["Learning rate"] for view in (sgd, vogn))
    assert number == sgd.config.optimizer.hyperparameters["lr"]
    assert word == str(vogn.config.optimizer.hyperparameters["lr"])
    assert table([vogn, sgd], wanted)[1]["Learning rate"] == str(number)
    assert table([sgd], wanted)[0]["Couple momentum"] == "false"
    columns = chosen(catalogue([sgd]), wanted, [sgd])
    looks = drawn([sgd], columns, "open")
    assert looks["Learning rate"]["type_config"]["type"] == "number"
    assert looks["Couple momentum"]["type_config"]["type"] == "text"


def test_foreign_text_stays_what_it_is_on_one_line(root):
    run = fakes.write_run(root, "a")
    said = Annotations(tags=("<script>", "**b**"), note="one\n\ntwo  # three")
    write_annotations(run, said)
    (line,) = table([reading.summary(run)], ["tags", "note"])
    assert line["Tags"] == ["**b**", "<script>"]
    assert line["Note"] == "one two # three"


def test_every_column_there_is_can_be_drawn(root):
    live = fakes.write_run(root, "b", state="stopped", done=0.2)
    write_annotations(live, Annotations(archived=True))
    names = [fakes.write_run(root, "a", evaluated=True), live]
    views, _ = reading.summaries(names)
    known = catalogue(views)
    columns = chosen(known, list(known), views)
    cells = arrow(views, columns)
    assert cells.num_rows == 2
    assert set(drawn(views, columns, "open")) == set(cells.column_names)

"""Tests of `ui/views/compare/settings.py`."""

from tests.ui.seen import text
from tests.ui.views.compare.examples import entries_of, run_of
from ui.views.compare.comparison import Comparison
from ui.views.compare.config_diff import settings
from ui.views.compare.settings import lines


def column(app, name):
    return app.table[0].value[name].tolist()


def test_identical_settings_are_hidden_unless_the_address_says_other(open_page, root):
    run_of(root, "a")
    run_of(root, "b", seed=3, settings={"training": {"batch_size": 64}})
    app = open_page("compare", runs="a,b", compare="Settings")
    assert column(app, "Setting") == ["Batch size", "Seed"]
    assert "identical ones are hidden" in text(app)
    app.toggle(key="compare_hide").set_value(False).run()
    assert "Epochs" in column(app, "Setting")
    again = open_page("compare", runs="a,b", compare="Settings", compare_hide="false")
    assert column(again, "Setting") == column(app, "Setting")


def test_settings_that_are_all_the_same_are_said_to_be(open_page, root):
    run_of(root, "a")
    run_of(root, "b")
    app = open_page("compare", runs="a,b", compare="Settings")
    assert "All settings are the same." in text(app)


def test_what_differs_from_the_baseline_is_highlighted_and_text_stays_text(root):
    entries = entries_of(run_of(root, "a"), run_of(root, "b", optimizer="adamw"))
    shown = lines(settings(entries), Comparison(entries, 1))
    place = shown["Setting"].index("Prior precision")
    assert shown["VOGN"][place] == ":orange-background[auto]"
    assert shown["AdamW"][place] == "\\-"
    sections = [section for section in shown["Section"] if section]
    assert sections == ["Dataset", "Model", "Optimizer", "Training", "Evaluation"]

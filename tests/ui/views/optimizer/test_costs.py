"""Tests of the section of what was measured."""

import pytest

from tests.ui.seen import charts, text
from tests.ui.views.optimizer.rows import write
from ui.views.optimizer import measured
from ui.views.optimizer.costs import cost_table, quality_table
from ui.views.optimizer.measured import quality, step_costs

TO = "\u2060\u2013\u2060"  # an en dash that holds both numbers together


@pytest.fixture
def results(tmp_path, monkeypatch):
    folder = write(tmp_path / "results")
    defaults = [measured.rows, measured.machine, measured.quality]
    for each in (*defaults, measured.step_costs, measured.large_batch):
        values = each.__defaults__ or ()
        monkeypatch.setattr(each, "__defaults__", (*values[:-1], folder))
    return folder


def test_the_tables_hold_the_numbers(results):
    found, _ = step_costs("vogn")
    lines = cost_table(found).splitlines()
    assert lines[2] == f"| MLP, batch 128 | 1.35 (1.25{TO}1.55) | 13.5 ms | +3 MiB |"
    assert lines[4].endswith("| +50 MiB |")
    found, _ = step_costs("sp_ngd")
    assert "| 4.40 | 33.7 ms | +15 MiB |" in cost_table(found)
    found, _ = step_costs("sgd")
    assert cost_table(found).endswith("| \N{MINUS SIGN}3 MiB |")
    table = quality_table(quality(), "vogn")
    vogn = f"**0.905** (0.900{TO}0.910) | **0.245** (0.240{TO}0.250)"
    assert f"| VOGN :small[(this one)] | {vogn} |" in table
    assert "| AdamW | 0.900 | 0.260 |" in table
    # What is chosen is no reason to be bold.
    assert quality_table(quality(), "adamw").count("**") == table.count("**")


def test_the_page_says_who_printed_it_and_where(results, open_page):
    app = open_page("optimizer", optimizer="vogn")
    seen = text(app)
    assert "vogn-app 1, torch 2, a machine. Printed by `python benchmarks/step" in seen
    assert "Printed by `python benchmarks/quality.py`" in seen
    assert "was not measured" not in seen
    shown = charts(app)
    assert shown.keys() == {"cost-vogn"}
    assert "MLP, batch 128 1.35, ResNet-20, batch 64 1.20" in shown["cost-vogn"]["alt"]


def test_steps_to_another_accuracy(results, open_page):
    app = open_page("optimizer", optimizer="kfac")
    assert not app.exception
    alt = charts(app)["steps-kfac"]["alt"]
    assert "accuracy of 88 %: 118 steps at 256, 32 steps at 4,096" in alt
    (switch,) = [each for each in app.button_group if "accuracy" in each.label]
    switch.set_value("89.5 %").run()
    assert "accuracy of 89.5 %: 236 steps at 256" in charts(app)["steps-kfac"]["alt"]
    # The address has it, also where an optimizer was not trained for it.
    app = open_page("optimizer", optimizer="sgd", **{"optimizer-target": "89.5 %"})
    assert not app.exception
    assert not app.error
    assert "SGD was not trained for 89.5 %." in text(app)
    assert "steps-sgd" not in charts(app)


def test_an_accuracy_that_was_not_reached_is_said(results, open_page):
    app = open_page("optimizer", optimizer="sgd")
    assert "not reached (87.0 % at best) at 4,096" in charts(app)["steps-sgd"]["alt"]


@pytest.mark.parametrize("name", ["vogn", "lamb"])
def test_a_copy_without_results_says_so(results, open_page, name):
    for path in results.iterdir():
        path.unlink()
    app = open_page("optimizer", optimizer=name)
    assert not app.exception
    assert text(app).count("this copy has no results") == 3
    assert not charts(app)


def test_a_damaged_file_costs_its_part(results, open_page):
    (results / "quality.json").write_text("{")
    (results / "large_batch.json").write_text('[{"target": 0.88}]')
    app = open_page("optimizer", optimizer="vogn")
    assert not app.exception
    told = [each.value for each in app.error]
    assert any("What it brings cannot be shown" in each for each in told)
    assert any("The effect of the batch size cannot" in each for each in told)
    assert "cost-vogn" in charts(app)

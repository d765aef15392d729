"""Tests of the section on the posterior."""

from dataclasses import replace

from calibration.report.document import Figures, Table, Text
from calibration.report.sections.posterior import MAX_LABELS, posterior_health
from tests.calibration.report.examples import example_posterior
from tests.calibration.report.sections.test_context import context


def blocks(section, kind):
    return [each for each in section.blocks if isinstance(each, kind)]


def test_each_layer_has_a_bar_and_a_row():
    section = posterior_health(context(2))
    (figures,) = blocks(section, Figures)
    panels = figures.items[0].chart.panels
    assert [len(panel.marks[0].heights) for panel in panels] == [10, 10, 9]
    assert "noisiest is fc3.bias with a signal-to-noise ratio of 0.522" in (
        figures.items[0].alt
    )
    (table,) = blocks(section, Table)
    assert [cell.text for cell in table.rows[-1]] == [
        "fc3.bias", "10", "0.016", "0.522", "-",
    ]  # fmt: skip
    assert blocks(section, Text)[-1].text == "No posterior is known of AdamW."


def test_an_improper_prior_has_no_divergence():
    layers = [replace(row, kl=None) for row in example_posterior()]
    (figures,) = blocks(posterior_health(context(1, posterior=layers)), Figures)
    assert len(figures.items[0].chart.panels) == 2


def test_of_many_layers_only_some_are_labelled():
    layers = example_posterior() * 20
    (figures,) = blocks(posterior_health(context(1, posterior=layers)), Figures)
    assert 10 < len(figures.items[0].chart.x.ticks) <= MAX_LABELS


def test_without_a_posterior_there_is_no_section():
    assert posterior_health(context(1, posterior=[])) is None

"""Tests of what the page says of an optimizer."""

import pytest

from tests.ui.seen import text
from trainers.catalogue import OPTIMIZERS
from trainers.formulas import FORMULAS
from ui.views.optimizer.about import symbol_table, with_links


def test_papers_are_linked():
    found = with_links("A (2015), One_Two, arXiv:1503.05671; B, arXiv:1602.01573")
    assert "[arXiv:1503.05671](https://arxiv.org/abs/1503.05671)" in found
    assert found.endswith("[arXiv:1602.01573](https://arxiv.org/abs/1602.01573)")
    assert "One\\_Two" in found
    assert with_links("Robbins and Monro (1951)") == "Robbins and Monro \\(1951\\)"


def test_every_letter_has_a_row():
    table = symbol_table(FORMULAS["vogn"])
    assert len(table.splitlines()) == 2 + len(FORMULAS["vogn"].symbols)
    assert "| $\\tau$ | weight of the KL term | `temperature` |" in table


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_page_has_formula_paper_and_advice(open_page, name):
    app = open_page("optimizer", optimizer=name)
    assert not app.exception
    assert not app.error
    lines = [each.value.strip("$\n ") for each in app.latex]
    assert lines == list(FORMULAS[name].lines)
    seen = text(app)
    assert OPTIMIZERS[name].summary in seen
    for heading in ("Good for", "Less so for", "Know that"):
        assert heading in seen
    assert ("https://arxiv.org/abs/" in seen) == ("arXiv" in OPTIMIZERS[name].paper)

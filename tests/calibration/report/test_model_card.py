"""The model card: valid Markdown and head, whatever the names."""

import json
from dataclasses import replace

import pytest

from calibration.report.model_card import model_card, plain
from tests.calibration.report.examples import bare_report, example_report

REPORT = example_report(2)


def test_the_head_lists_every_model_with_its_metrics():
    card = model_card(REPORT)
    _, head, _ = card.split("---", 2)
    line = next(x for x in head.splitlines() if x.startswith("model-index: "))
    index = json.loads(line.removeprefix("model-index: "))
    assert [each["name"] for each in index] == [each.name for each in REPORT.models]
    metrics = {m["type"]: m["value"] for m in index[0]["results"][0]["metrics"]}
    assert metrics["nll"] == float(REPORT.models[0].metrics["nll"])


def test_all_that_is_known_is_there():
    card = model_card(REPORT)
    for model in REPORT.models:
        assert f"## {plain(model.name)}" in card
        for sentence in model.summary:
            assert plain(sentence) in card
        for value in model.provenance.values():
            assert plain(value) in card
    for sentence in REPORT.limitations:
        assert plain(sentence) in card


def test_names_are_text():
    model = replace(REPORT.models[0], name="<script>alert(1)</script> | *x*")
    card = model_card(replace(REPORT, models=[model]))
    body = card.split("---", 2)[2]
    assert "## &lt;script&gt;alert(1)&lt;/script&gt; \\| \\*x\\*\n" in body


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("<b> & &lt;", "&lt;b&gt; &amp; &amp;lt;"),
        ("a_b [c](d) `e`", r"a\_b \[c\](d) \`e\`"),
        ("$x$ ~~y~~ a\\", r"\$x\$ \~\~y\~\~ a\\"),
        (" two\n lines ", "two lines"),
    ],
)
def test_nothing_in_a_text_is_markdown(text, markdown):
    assert plain(text) == markdown


def test_a_bare_report_has_a_card():
    card = model_card(bare_report())
    assert "Out of distribution" not in card
    assert "## Limitations" in card


def test_tables_have_as_many_cells_in_every_row():
    lines = model_card(REPORT).splitlines()
    for head, ruler, row in zip(lines, lines[1:], lines[2:], strict=False):
        if ruler.startswith("| ---"):
            cells = {x.replace("\\|", "").count("|") for x in (head, ruler, row)}
            assert len(cells) == 1

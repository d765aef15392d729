"""Tests of the page."""

from tests.trainers.tuning.examples import asked, trial
from tests.trainers.tuning.test_charts import PLAYED, SOME
from tests.trainers.tuning.test_outcome import WHOLE
from trainers.tuning.outcome import Played
from trainers.tuning.page import document, subtitle, title, write_page

ASKED = asked("sgd", epochs=9, factor=3)


def test_the_page_has_a_section_a_stage_and_a_row_a_trial():
    page = document(ASKED, [PLAYED, Played(WHOLE[0].stage, [])])
    (section,) = page.sections
    figures, table = section.blocks
    assert len(figures.items) == 3
    assert len(table.rows) == len(SOME)
    strong = [row[0].text for row in table.rows if row[0].strong]
    assert strong == ["2"]
    ends = [row[-1].text for row in table.rows]
    assert ends == ["complete", "cut", "complete", "cut", "diverged"]


def test_the_facts_are_the_table_and_the_command():
    table, command = document(asked(), WHOLE).facts
    assert [row[0].text for row in table.rows] == ["AdamW", "OGN", "VOGN"]
    assert "python -m trainers run --dataset moons --model mlp" in command.text
    assert len(document(asked(), WHOLE[:1]).facts) == 1


def test_titles():
    assert title(ASKED) == "Tuning SGD for mlp on moons"
    assert (
        "3 trials a stage and 9 epochs a trial; of the trials at a rung one in 3"
        in (subtitle(ASKED))
    )


def test_the_file_needs_nothing_else_and_has_plotly_once(tmp_path):
    hostile = trial(0, (0.5,) * 9, message="<script>alert(1)</script>")
    path = tmp_path / "tried.html"
    write_page(path, ASKED, [PLAYED, Played(PLAYED.stage, [hostile])])
    text = path.read_text(encoding="utf-8")
    assert "Search for hyper-parameters" in text
    assert "<script>alert" not in text
    assert text.count("plotly.js v") == 1
    assert "src=" not in text.split("<body>")[1].split("<script")[0]
    assert [each.name for each in tmp_path.iterdir()] == ["tried.html"]

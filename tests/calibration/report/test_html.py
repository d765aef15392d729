"""Tests of the report's page: complete, self-contained, and safe to open."""

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from plotly.offline import get_plotlyjs

from calibration.report.html import css_string, render_html, script_json
from tests.calibration.report.examples import (
    bare_report,
    example_model,
    example_report,
)

EVIL = "<script>alert(1)</script>"
QUOTED = "a\"b'c</script><!--"
TITLES = [
    "Summary", "Headline numbers", "Reliability", "Recalibration", "Conformal sets",
    "Selective prediction", "Uncertainty of right and wrong predictions",
    "Out of distribution", "Distribution shift", "Confidently wrong examples",
    "Class by class", "Posterior health", "Methods and definitions", "Limitations",
]  # fmt: skip


class Page(HTMLParser):
    """What the tests ask of a page, by tag."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.open = [], {}, []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.open.append(tag)
        self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        for tag in set(self.open):
            self.texts[tag][-1] += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    def said(self, tag):
        return [" ".join(text.split()) for text in self.texts.get(tag, [])]


@pytest.fixture(scope="module")
def text():
    return render_html(example_report(2))


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def body_of(text):
    return text[text.index("<body>") : text.index('<script type="application/json"')]


def test_all_sections_are_there_in_order(page):
    assert page.said("h2") == TITLES
    entries = [each["href"][1:] for each in page.all("a") if each["href"] != "#content"]
    assert entries == [each["id"] for each in page.all("h2")]


def test_headings_leave_out_no_level(page):
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_headings_of_one_model_leave_out_no_level_either():
    levels = [
        int(tag[1])
        for tag, _ in Page(render_html(example_report(1))).tags
        if re.fullmatch("h[1-6]", tag)
    ]
    assert all(b <= a + 1 for a, b in pairwise(levels))


def test_tables_are_real_tables(page):
    assert len(page.all("table")) == len(page.all("caption")) > 10
    scopes = {each.get("scope") for each in page.all("th")}
    assert scopes == {"col", "row"}
    assert page.said("caption").count("") == 0


def test_every_figure_says_what_it_shows_with_numbers(page):
    figures = page.all("figure")
    assert len(figures) > 15
    assert {each["role"] for each in figures} == {"img"}
    assert all(re.search(r"\d", each["aria-label"]) for each in figures)
    charts = [each["data-chart"] for each in page.all("div") if "data-chart" in each]
    assert charts == [str(index) for index in range(len(figures))]


def test_the_page_says_its_language_and_lets_skip(page):
    assert page.all("html")[0]["lang"] == "en"
    assert page.all("a")[0] == {"class": "skip", "href": "#content"}
    assert page.all("main")[0]["id"] == "content"


def test_nothing_is_fetched(text, page):
    for tag, attributes in page.tags:
        for name in ("src", "srcset", "poster", "data", "action", "xlink:href"):
            assert attributes.get(name, "data:").startswith("data:"), (tag, name)
        assert attributes.get("href", "#").startswith("#"), tag
    assert not page.all("link")
    style = page.texts["style"][0]
    assert "@import" not in style
    assert "url(" not in style
    assert "default-src 'none'" in text


def test_plotly_is_there_once(text):
    assert text.count(get_plotlyjs()) == 1


def test_foreign_text_is_shown_and_never_run():
    model = replace(
        example_model(0),
        name=EVIL,
        class_names=[QUOTED] * 10,
        provenance={EVIL: QUOTED},
        summary=[EVIL],
        classes=[replace(row, name=QUOTED) for row in example_model(0).classes],
        ood=[replace(example_model(0).ood[0], name=EVIL)],
        posterior=[replace(row, name=EVIL) for row in example_model(0).posterior],
    )
    wrong = [replace(each, image='"><img src=x>') for each in model.confidently_wrong]
    report = replace(
        example_report(2),
        models=[replace(model, confidently_wrong=wrong), example_model(1)],
        title=EVIL,
        software={EVIL: "1"},
        limitations=[EVIL],
    )
    text = render_html(report, printed_by=EVIL)
    scripts = [each.get("type") for each in Page(text).all("script")]
    assert scripts == ["application/json", None, None]
    assert EVIL not in text
    assert "</script><!--" not in text
    assert {each.get("src", "")[:5] for each in Page(text).all("img")} == {"data:"}
    assert EVIL in " ".join(Page(text).said("h1"))
    charts = re.search(r'id="charts">(.*?)</script>', text).group(1)
    decoded = json.dumps(json.loads(charts))
    assert "&lt;script&gt;" in decoded
    assert "<script" not in decoded


def test_json_in_a_script_cannot_end_it():
    told = {"a": "</script><!-- & \u2028"}
    text = script_json(told)
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == told
    with pytest.raises(ValueError, match="JSON"):
        script_json(float("nan"))


def test_a_string_of_css_cannot_end():
    text = css_string('";} body{display:none} </style>')
    assert set('";{}<>') & set(text[1:-1]) == set()
    assert css_string("aß") == '"a\\0000df"'


def test_what_is_missing_is_said_once_instead_of_empty_headings():
    page = Page(render_html(bare_report()))
    headings = page.said("h2")
    assert "Out of distribution" not in headings
    assert headings[-1] == "Not in this report"
    told = [line for line in page.said("li") if line.startswith("Out of distribution:")]
    assert told == [
        "Out of distribution: not measured, as no out-of-distribution set was given."
    ]


def test_a_long_title_leaves_the_footer_one_line():
    report = replace(bare_report(), title="t" * 300)
    content = re.search(r'bottom-left \{ content: "(.*?)"', render_html(report)).group(
        1
    )
    assert len(re.sub(r"\\[0-9a-f]{6}", "x", content)) == 80


def test_a_table_of_two_models_has_its_intervals_beside_the_numbers():
    page = Page(render_html(bare_report(2)))
    assert page.all("table")[1].get("class") is None  # all measures


def test_intervals_of_a_wide_table_are_all_below_their_numbers():
    classes = [
        each.get("class") for each in Page(render_html(example_report(3))).all("table")
    ]
    assert "stacked" in classes


def test_a_page_to_print_says_by_what(text):
    printed = render_html(bare_report(), printed_by="Chromium 1.2")
    assert "PDF by Chromium 1.2" in printed
    assert '<html lang="en" class="paper">' in printed
    assert "PDF by" not in body_of(text)


def test_pictures_are_inside(page):
    pictures = page.all("img")
    assert len(pictures) == 14  # two of the sixteen examples have none
    for each in pictures:
        kind, content = each["src"].split(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(content).startswith(b"\x89PNG")
        assert "taken for" in each["alt"]


def test_a_thousand_classes_do_not_make_a_thousand_figures():
    text = render_html(example_report(1, num_classes=1000))
    page = Page(text)
    assert len(page.all("figure")) < 20
    assert "The 30 classes of least recall" in text
    assert text.count("<tr>") < 250


@pytest.mark.parametrize("models", [1, 5, 6, 10])
def test_no_table_is_too_wide(models):
    text = render_html(example_report(models))
    heads = re.findall(r"<thead>(.*?)</thead>", body_of(text), re.DOTALL)
    assert max(head.count("<th ") for head in heads) <= 8
    assert "".join(heads).count("Noisy K-FAC") == (3 if models == 10 else 0)


def test_numbers_stay_with_their_units(text):
    assert not re.search(r"\d %", body_of(text))

"""Tests of `ui/views/compare/comparison.py`."""

from dataclasses import replace

from tests.ui.views.compare.examples import entries_of
from ui.views.compare.comparison import Comparison, name_of


def test_all_but_the_baseline_are_others(two_families):
    entries = entries_of(*two_families["vogn"], *two_families["adamw"])
    comparison = Comparison(entries, 1)
    assert comparison.baseline is entries[1]
    assert comparison.others == [entries[0]]
    assert comparison.bands
    assert comparison.revision != Comparison(entries[:1]).revision


def test_runs_alone_have_no_bands(two_families):
    alone = entries_of(*two_families["vogn"], by_seeds=False)
    assert Comparison(alone).bands == ""
    assert name_of(alone[0]) == "VOGN, seed 0"


def test_the_name_of_a_family_says_how_many_seeds(two_families):
    (entry,) = entries_of(*two_families["vogn"])
    assert name_of(replace(entry, name="*a*")) == "\\*a\\* :small[(3 seeds)]"
    told = name_of(replace(entry, name="SP-NGD, a-b"))
    assert told == "SP\N{NON-BREAKING HYPHEN}NGD, a-b :small[(3 seeds)]"

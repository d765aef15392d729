"""Tests of the formulas: one for each optimizer, every letter explained."""

import re

import pytest

from trainers.catalogue import OPTIMIZERS
from trainers.formulas import FORMULAS

EVERY = pytest.mark.parametrize("name", FORMULAS)
# Commands that are words, brackets or signs, and no letters of the method.
_COMMANDS = re.compile(
    r"\\(operatorname|text|mathcal|mathrm)\{[^}]*\}|"
    r"\\(leftarrow|sim|frac|tfrac|sqrt|sum|hat|int|mid|bigl|bigr|Bigl|Bigr|qquad|quad|"
    r"langle|rangle|lVert|rVert|lfloor|rfloor|otimes|arg|det|log|max|min|not|approx|"
    r"begin|end|left|right|top)(?![A-Za-z])|\{cases\}|\\[,\\ :]"
)
_LETTER = re.compile(r"\\?[A-Za-z]+")
_ELSEWHERE = {"i", "t", "I", "b", "Y"}  # an index, a step, the identity, any other


def letters(line):
    return set(_LETTER.findall(_COMMANDS.sub(" ", line)))


def test_every_optimizer_has_one():
    assert FORMULAS.keys() == OPTIMIZERS.keys()


@EVERY
def test_every_letter_is_explained(name):
    formula = FORMULAS[name]
    used = set().union(*(letters(line) for line in formula.lines))
    used = {each for word in used for each in ([word] if "\\" in word else word)}
    explained = set().union(
        *(letters(f"{s.letter} {' '.join(re.findall(r'[$]([^$]+)[$]', s.meaning))}")
          for s in formula.symbols)
    )  # fmt: skip
    explained = {e for word in explained for e in ([word] if "\\" in word else word)}
    assert used - explained <= _ELSEWHERE


@EVERY
def test_letters_name_hyperparameters_that_there_are(name):
    known = OPTIMIZERS[name].defaults()
    named = [s.hyperparameter for s in FORMULAS[name].symbols if s.hyperparameter]
    assert set(named) <= known.keys()
    assert len(named) == len(set(named))
    assert "lr" in named


@EVERY
def test_braces_and_brackets_are_closed(name):
    formula = FORMULAS[name]
    for text in (*formula.lines, *(s.letter for s in formula.symbols)):
        assert text.count("{") == text.count("}")
        assert len(re.findall(r"\\begin", text)) == len(re.findall(r"\\end", text))
        assert "  " not in text


@EVERY
def test_what_it_is_for_is_said_in_sentences(name):
    formula = FORMULAS[name]
    for lines in (formula.good_for, formula.less_for, formula.limits):
        assert lines
        assert all(line.endswith(".") for line in lines)
        assert all(line.count("`") % 2 == 0 for line in lines)

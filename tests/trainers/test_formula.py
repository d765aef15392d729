"""Tests of what describes a formula."""

from trainers.formula import BETA, LR, Symbol


def test_a_letter_names_its_hyperparameter_or_none():
    assert (LR.hyperparameter, BETA.hyperparameter) == ("lr", "momentum")
    assert Symbol("x", "an input").hyperparameter == ""

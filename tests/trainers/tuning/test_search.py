"""Tests of one stage's trials, with trainings that are formulas."""

import builtins
import math

import pytest

from tests.trainers.tuning.examples import LR, score, stage, trial
from trainers.tuning.halving import Halving
from trainers.tuning.search import MISSING, Search, require_optuna
from trainers.tuning.spaces import Dimension
from trainers.tuning.stages import MATCH, NOISE, Candidate
from trainers.tuning.trial import COMPLETE, CUT, DIVERGED, Trial, best_of

HALVING = Halving(max_epochs=4, min_epochs=1, factor=2)
WARMUP = Dimension(name="w", low=0, high=9, log=False, whole=True, choices=(0, 3, 9))
STEPS = Dimension(name="n", low=1, high=50, log=True, whole=True)


def formula(number, title, parameters, report):
    """Train to (log10 lr + 2)^2 + 1 / epoch; an lr above 0.05 diverges."""
    scores, state = [], COMPLETE
    for epoch in range(1, 5):
        if parameters["lr"] > 0.05 and epoch == 2:
            state = DIVERGED
            break
        scores.append(score((math.log10(parameters["lr"]) + 2) ** 2 + 1 / epoch))
        if report(scores[-1]):
            state = CUT
            break
    return Trial(
        stage="search", number=number, parameters=parameters, state=state,
        scores=tuple(scores), title=title,
    )  # fmt: skip


def search(known=(), seed=0, **more):
    return Search(stage(num_trials=16, **more), HALVING, seed, known)


def test_the_search_gets_near_the_best_and_ends_most_trials_early():
    trials = search().run(formula, lambda _: None)
    assert [each.number for each in trials] == list(range(16))
    assert all(LR.has(each.parameters["lr"]) for each in trials)
    assert best_of(trials).nll < 0.25 + 0.1  # a third of a decade from 0.01
    budgets = {each.epochs for each in trials if each.state == CUT}
    assert budgets <= set(HALVING.rungs)
    assert sum(each.epochs for each in trials) < 16 * 4 * 0.75
    assert trials == search().run(formula, lambda _: None)
    assert trials != search(seed=1).run(formula, lambda _: None)


def test_halving_ends_exactly_those_that_are_not_among_the_best():
    trials = search().run(formula, lambda _: None)
    for rung in HALVING.rungs:
        seen = []
        for each in trials:
            reached = each.epochs >= rung or each.state == DIVERGED
            if not reached:
                continue
            lost = each.state == DIVERGED and each.epochs < rung
            if lost and HALVING.next_rung(each.epochs + 1) != rung:
                continue  # at a later rung it never stood
            value = math.inf if lost else each.scores[rung - 1].nll
            seen.append(value)
            place = max(len(seen) // HALVING.factor - 1, 0)
            goes_on = value <= sorted(seen)[place]
            if not lost:
                assert goes_on == (each.epochs > rung or each.state == DIVERGED)


@pytest.mark.parametrize("count", [1, 7, 15, 16])
def test_a_search_that_goes_on_does_what_it_would_have_done(count):
    whole = search().run(formula, lambda _: None)
    assert {each.state for each in whole} == {COMPLETE, CUT, DIVERGED}
    told, trained = [], []

    def train(*arguments):
        trained.append(arguments[0])
        return formula(*arguments)

    again = search(whole[:count]).run(train, told.append)
    assert again == whole
    assert trained == [each.number for each in told] == list(range(count, 16))


def test_candidates_come_first():
    candidates = (
        Candidate(title="one", parameters={"lr": 0.02}),
        Candidate(title="two", parameters={"lr": 0.001}),
    )
    trials = search(candidates=candidates).run(formula, lambda _: None)
    assert [t.parameters["lr"] for t in trials[:2]] == [0.02, 0.001]
    assert [t.title for t in trials[:3]] == ["one", "two", ""]


def test_a_stage_of_candidates_alone_ends_none_early_and_stops_when_one_will_do():
    candidates = tuple(
        Candidate(title=str(lr), parameters={"lr": lr}) for lr in (1e-5, 1e-4, 0.01)
    )
    made = stage(
        name=NOISE, space=(), candidates=candidates, num_trials=3,
        reference=trial(nlls=(0.25,), parameters={}),
    )  # fmt: skip
    dull = Search(made, HALVING, 0).run(formula, lambda _: None)
    assert [each.epochs for each in dull] == [4]  # as accurate: that trains

    def clumsy(*arguments):
        one = formula(*arguments)
        worse = tuple(score(s.nll, 0.9 if s.nll < 1 else 0.1) for s in one.scores)
        return Trial(**{**vars(one), "scores": worse})

    found = Search(made, HALVING, 0).run(clumsy, lambda _: None)
    assert [each.state for each in found] == [COMPLETE] * 3
    again = Search(made, HALVING, 0, found).run(clumsy, pytest.fail)
    assert again == found


def test_a_matched_stage_ends_early():
    made = {"name": MATCH, "reference": trial(nlls=(10.0,))}
    assert len(search(**made).run(formula, lambda _: None)) == 6


def test_whole_numbers_and_choices_are_suggested_as_such():
    seen = []

    def train(number, title, parameters, report):
        seen.append(parameters)
        return trial(number, (0.5,), parameters=parameters)

    search(space=(WARMUP, STEPS)).run(train, lambda _: None)
    assert {each["w"] for each in seen} == {0, 3, 9}
    assert all(isinstance(each["n"], int) and 1 <= each["n"] <= 50 for each in seen)


def test_without_optuna_the_error_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "optuna":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match="pip install") as caught:
        require_optuna()
    assert str(caught.value) == MISSING

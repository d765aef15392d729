"""benchmarks/peers/search.py."""

from benchmarks.peers import search
from benchmarks.peers.contenders import SETTINGS, Setting
from benchmarks.peers.learning import Curve, Point
from benchmarks.peers.search import Plan
from benchmarks.tasks import load_problem
from tests.benchmarks.examples import MOONS

PLAN = Plan({100: 16}, num_settings=4, seeds=(0, 1, 2))  # 128 steps
A, B, C, D = SETTINGS["sgd"]


class FakeCurves:
    """Curves whose accuracy rises in a line, by the slope of a setting and a seed.

    Args:
        slopes: Accuracy gained a step by setting; 0.5 is where all begin.
        by_seed: Factors of the slopes.
        top: Where they end.
    """

    def __init__(self, slopes, by_seed=None, top=0.95):
        self.problem = load_problem(MOONS)
        self.slopes, self.by_seed = slopes, by_seed or {}
        self.top = top
        self.asked, self.num_forgotten = [], 0

    def until(self, attempt, step):
        self.asked.append((attempt.setting, attempt.seed, step))
        slope = self.slopes[attempt.setting] * self.by_seed.get(attempt.seed, 1)
        steps = range(4, step + 1, 4)
        accuracies = [min(self.top, 0.5 + slope * each) for each in steps]
        points = zip(steps, steps, accuracies, strict=True)
        return Curve(tuple(Point(*each) for each in points))

    def forget(self):
        self.num_forgotten += 1


def test_the_better_half_goes_on():
    curves = FakeCurves({A: 0.001, B: 0.004, C: 0.002, D: 0.003})
    best = search.winner(curves, "sgd", 100, PLAN)
    assert (best.setting, best.seed, best.limit) == (B, 0, 16)
    eighth = [(each, 0, 16) for each in (A, B, C, D)]
    quarter = [(each, seed, 32) for each in (B, D) for seed in (0, 1, 2)]
    assert curves.asked == eighth + quarter


def test_all_seeds_choose_between_the_last_two():
    """The best with the search's seed learns with no other."""
    fragile = {(A, 0): 1.0}

    class Fragile(FakeCurves):
        def until(self, attempt, step):
            factor = fragile.get((attempt.setting, attempt.seed), 0.5)
            self.by_seed = {attempt.seed: factor if attempt.setting == A else 1.0}
            return super().until(attempt, step)

    slopes = {A: 0.004, B: 0.003, C: 0.001, D: 0.001}
    assert search.winner(Fragile(slopes), "sgd", 100, PLAN).setting == B
    alone = Plan(PLAN.limits, num_settings=4, seeds=(0,))
    assert search.winner(Fragile(slopes), "sgd", 100, alone).setting == A


def test_one_setting_needs_no_search():
    curves = FakeCurves({A: 0.001})
    plan = Plan({100: 16}, num_settings=1, seeds=())
    assert search.winner(curves, "sgd", 100, plan).setting == A
    assert not curves.asked


def test_whoever_gets_to_the_higher_target_first_is_better():
    def curve(*accuracies):
        steps = range(1, len(accuracies) + 1)
        points = zip(steps, steps, accuracies, strict=True)
        return Curve(tuple(Point(*each) for each in points))

    in_order = [
        curve(0.5, 0.6, 0.9),  # 89.5 % after three steps
        curve(0.88, 0.7, 0.7, 0.9),  # after four
        curve(0.88, 0.5),  # 88 % after one
        curve(0.5, 0.885),  # after two
        curve(0.5, 0.8),
        curve(0.7),
    ]
    found = [[each] for each in in_order[3:] + in_order[:3]]
    assert sorted(found, key=search.standing) == [[each] for each in in_order]


def test_the_winner_is_trained_with_every_seed():
    slopes = dict.fromkeys((B, C, D), 0.001) | {A: 0.01}
    curves = FakeCurves(slopes, by_seed={1: 2, 2: 0.8})
    low, high = search.rows_of(curves, "sgd", 100, PLAN)
    assert curves.asked[-4:] == [(A, 0, 64), (A, 0, 128), (A, 1, 128), (A, 2, 128)]
    assert curves.num_forgotten == 1
    # 0.38 = 0.01 * 38 steps, on a grid of four; 0.02 * 19; 0.008 * 47.5.
    assert low == {
        "method": "sgd", "batch_size": 100, "target": 0.88, "steps": 40,
        "seconds": 40, "epochs": 5.0, "steps_low": 20, "steps_high": 48, "lr": A.lr,
        "damping": None, "kl_clip": None, "num_seeds": 3,
        "best_accuracy": 0.95, "tried_epochs": 16.0,
    }  # fmt: skip
    assert (high["target"], high["steps"]) == (0.895, 40)


def test_a_target_that_most_seeds_miss_is_null():
    slopes = dict.fromkeys((B, C, D), 0.0) | {A: 0.01}
    curves = FakeCurves(slopes, by_seed={1: 0.303, 2: 0.1})
    low, high = search.rows_of(curves, "sgd", 100, PLAN)
    assert (low["steps"], low["steps_low"], low["steps_high"]) == (128, 40, None)
    figures = ("steps", "seconds", "epochs", "steps_high")
    assert [high[name] for name in figures] == [None] * 4
    assert high["steps_low"] == 40


def test_where_no_target_is_reached_other_seeds_are_left_out():
    curves = FakeCurves(dict.fromkeys((A, B, C, D), 0.01), top=0.87)
    for row in search.rows_of(curves, "sgd", 100, PLAN):
        assert (row["steps"], row["num_seeds"], row["tried_epochs"]) == (None, 1, 16)
        assert row["best_accuracy"] == 0.87


def test_what_is_hopeless_is_given_up_at_half():
    curves = FakeCurves(dict.fromkeys((A, B, C, D), 0.004))
    (row, _) = search.rows_of(curves, "sgd", 100, PLAN)
    assert (row["steps"], row["tried_epochs"]) == (None, 8)
    assert max(step for _, _, step in curves.asked) == 64


def test_settings_of_second_order_methods_are_told():
    setting = Setting(damping=1e-3, kl_clip=1e-2)
    assert setting in SETTINGS["kfac"]
    slopes = dict.fromkeys(SETTINGS["kfac"], 0.01) | {setting: 0.02}
    row, _ = search.rows_of(FakeCurves(slopes), "kfac", 100, PLAN)
    assert (row["lr"], row["damping"], row["kl_clip"]) == (0.1, 1e-3, 1e-2)

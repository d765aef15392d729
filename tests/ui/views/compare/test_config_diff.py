"""Tests of `ui/views/compare/config_diff.py`."""

from tests.ui.views.compare.examples import entries_of, family, run_of
from ui.components.formats import MISSING
from ui.views.compare.config_diff import settings


def told(*runs, by_seeds=True):
    return {s.name: s for s in settings(entries_of(*runs, by_seeds=by_seeds))}


def test_settings_of_other_optimizers_are_aligned_by_name(root):
    found = told(run_of(root, "a"), run_of(root, "b", optimizer="adamw"))
    assert found["optimizer"].values == ["vogn", "adamw"]
    assert found["prior_precision"].values == ["auto", MISSING]
    assert found["beta1"].values == [MISSING, "0.9"]
    assert found["lr"].section == "optimizer"
    assert found["batch_size"].section == "training"
    assert found["lr"].title == "Learning rate"
    assert "initial_trust" not in found


def test_what_is_the_same_can_be_hidden_and_what_differs_is_marked(root):
    one = run_of(root, "a")
    two = run_of(root, "b", settings={"training": {"batch_size": 64, "mixup": 0.1}})
    found = told(one, two, by_seeds=False)
    assert {name for name, each in found.items() if not each.identical} == {
        "batch_size", "mixup",
    }  # fmt: skip
    assert found["batch_size"].differs(1, baseline=0)
    assert found["batch_size"].differs(0, baseline=1)
    assert not found["epochs"].differs(1, baseline=0)
    assert found["mixup"].values == ["0", "0.1"]


def test_numbers_have_the_digits_that_tell_them_apart(root):
    lrs = 0.0012345678, 0.0012345679
    one, two = (
        run_of(root, f"{lr}", settings={"training": {"mixup": lr}}) for lr in lrs
    )
    found = told(one, two, by_seeds=False)
    assert found["mixup"].values == ["0.0012345678", "0.0012345679"]
    assert not found["mixup"].identical
    assert found["mixup"].differs(1, baseline=0)
    alone = told(one, by_seeds=False)
    assert alone["mixup"].values == ["0.00123457"]


def test_a_family_lists_its_seeds(root):
    found = told(*family(root, "vogn"))
    assert found["seed"].values == ["0, 1, 2"]
    assert found["epochs"].values == ["5"]
    assert found["sampled"].values == ["yes"]


def test_a_damaged_configuration_has_no_settings(root):
    good, bad = run_of(root, "a"), run_of(root, "b")
    bad.config.write_text("{")
    assert told(good, bad)["epochs"].values == ["5", MISSING]
    assert told(bad) == {}

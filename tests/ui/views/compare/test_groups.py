"""Tests of `ui/views/compare/groups.py`."""

import pytest

from tests.ui.views.compare.examples import entries_of, run_of, views_of
from ui.views.compare.groups import (
    LONGEST,
    MOST,
    MOST_SEEDS,
    datasets,
    entries,
    known_families,
    mergeable,
    newest_of_each,
)


def names(*runs, by_seeds=False):
    return [entry.name for entry in entries_of(*runs, by_seeds=by_seeds)]


def test_runs_of_other_seeds_become_one_entry_only_if_asked_for(two_families):
    runs = [*two_families["vogn"], *two_families["adamw"]]
    apart = entries_of(*runs, by_seeds=False)
    assert [len(entry.views) for entry in apart] == [1] * 6
    assert names(*runs)[0] == "VOGN, seed 0"
    merged = entries_of(*runs)
    assert [entry.name for entry in merged] == ["VOGN", "AdamW"]
    assert [entry.seeds for entry in merged] == [[0, 1, 2]] * 2
    assert merged[0].id == "vogn-0"
    assert merged[0].is_family
    assert not apart[0].is_family


def test_other_settings_are_another_family_and_named_by_them(root):
    more = {"training": {"epochs": 9, "batch_size": 32}}
    runs = [
        run_of(root, "a", seed=0, evaluated=False),
        run_of(root, "b", seed=1, evaluated=False),
        run_of(root, "c", seed=0, evaluated=False, settings=more),
    ]
    one, other = entries_of(*runs)
    assert [len(one.views), len(other.views)] == [2, 1]
    assert one.name == "VOGN, epochs 5, batch size 128"
    assert other.name == "VOGN, epochs 9, batch size 32"


def test_runs_that_nothing_tells_apart_go_by_their_ids(root):
    runs = [run_of(root, name, evaluated=False) for name in ("a", "b")]
    assert names(*runs) == ["VOGN, a", "VOGN, b"]
    other = run_of(root, "c", seed=4, evaluated=False)
    assert names(*runs, other) == ["VOGN, seed 0, a", "VOGN, seed 0, b", "VOGN, seed 4"]


def test_a_name_is_no_longer_than_it_needs_to_be(root):
    far = {"training": {
        "epochs": 9, "batch_size": 32, "mixup": 0.25, "label_smoothing": 0.125,
        "log_interval": 100, "random_erasing": 0.5,
    }}  # fmt: skip
    runs = [
        run_of(root, "a", evaluated=False),
        run_of(root, "b", evaluated=False, settings=far),
    ]
    assert max(map(len, names(*runs))) <= LONGEST + len("VOGN, ")


def test_of_a_seed_that_was_run_twice_the_newest_evaluated_run_counts(root):
    runs = [
        run_of(root, "1", seed=0),
        run_of(root, "2", seed=0),
        run_of(root, "3", seed=0, evaluated=False),
        run_of(root, "4", seed=1),
    ]
    (entry,) = entries_of(*runs)
    assert [view.run.id for view in entry.views] == ["2", "4"]
    assert entry.left_out == 2


@pytest.mark.parametrize(("count", "left"), [(1, 0), (10, 0), (11, 1), (25, 15)])
def test_there_are_at_most_ten_entries(root, count, left):
    runs = [run_of(root, f"r{k:02}", seed=k, evaluated=False) for k in range(count)]
    found, left_out = entries(views_of(*runs), by_seeds=False)
    assert len(found) == min(count, MOST)
    assert left_out == left


def test_a_family_may_have_more_runs_than_there_may_be_entries(root):
    count = MOST_SEEDS + 2
    runs = [run_of(root, f"r{k:02}", seed=k, evaluated=False) for k in range(count)]
    (entry,), left_out = entries(views_of(*runs), by_seeds=True)
    assert len(entry.views) == MOST_SEEDS
    assert (entry.left_out, left_out) == (2, 0)


def test_ten_entries_differ_in_colour_or_dash(root):
    runs = [run_of(root, f"r{k}", seed=k, evaluated=False) for k in range(MOST)]
    found = entries_of(*runs, by_seeds=False)
    assert len({(entry.color, entry.dash) for entry in found}) == MOST
    assert len({(entry.dash, entry.symbol) for entry in found}) == MOST
    assert {entry.color for entry in found} == {f"@{k}" for k in range(1, 9)}


def test_a_damaged_run_is_an_entry_by_its_id(root):
    good, bad = run_of(root, "good"), run_of(root, "bad")
    bad.config.write_text("{")
    assert names(good, bad, by_seeds=True) == ["VOGN", "bad"]
    assert datasets(entries_of(good, bad)) == ["digits"]


def test_families_that_there_are_can_be_offered(two_families, root):
    run_of(root, "lonely", optimizer="sgd")
    runs = [*two_families["vogn"], *two_families["adamw"]]
    views = views_of(*runs)
    found = known_families([*views, *views_of(run_of(root, "single", optimizer="sgd"))])
    assert {name: len(each) for name, each in found.items()} == {
        "VOGN, MLP, digits": 3, "AdamW, MLP, digits": 3,
    }  # fmt: skip
    assert mergeable(views)
    assert not mergeable(views[:1])


def test_the_same_seed_twice_can_be_no_family(root):
    views = views_of(run_of(root, "a"), run_of(root, "b"))
    assert not mergeable(views)
    assert known_families(views) == {}


def test_the_newest_of_each_optimizer_are_of_the_same_data(root):
    runs = [
        run_of(root, "1", optimizer="vogn"),
        run_of(root, "2", optimizer="adamw"),
        run_of(root, "3", optimizer="vogn"),
        run_of(root, "4", optimizer="sgd", evaluated=False),
        run_of(root, "0", optimizer="sgd", dataset="moons"),
    ]
    found = newest_of_each(views_of(*runs))
    assert [view.run.id for view in found] == ["3", "2"]


def test_uploads_are_data_of_their_own(root):
    def of(name, folder, optimizer):
        data = {"name": "folder", "folder": folder}
        return run_of(
            root, name, optimizer=optimizer, evaluated=False,
            settings={"dataset": data},
        )  # fmt: skip

    one, two = of("1", "/data/uploads/cats.npz", "vogn"), of("2", "/own/dogs", "adamw")
    assert datasets(entries_of(one, two)) == ["cats", "dogs"]
    assert names(of("3", "/data/uploads/cats.npz", "adamw"), two) == [
        "AdamW, cats", "AdamW, dogs",
    ]  # fmt: skip
    assert datasets(entries_of(one, of("4", "/old/cats.npz", "sgd"))) == [
        "cats of /data/uploads/cats.npz", "cats of /old/cats.npz",
    ]  # fmt: skip


def test_the_same_upload_of_another_machine_is_no_other_data(root):
    runs = [
        run_of(
            root, name,
            settings={"dataset": {"name": "folder", "folder": f"/{name}/cats.npz"}},
        )
        for name in ("here", "there")
    ]  # fmt: skip
    assert datasets(entries_of(*runs, by_seeds=False)) == ["cats"]

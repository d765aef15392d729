"""Tests of the order in which runs start, on random queues."""

import random

import pytest

from tests.trainers.jobs.stores import KINDS, home_on, job, names
from trainers.jobs.devices import CPU, GPU, Device, wanted
from trainers.jobs.scheduling import moved, plan, with_priority
from trainers.jobs.store import Store

SEEDS, CASES = range(15), range(40)  # each case has a generator of its own
SETTINGS = ("auto", "cpu", "cuda", "cuda:0", "cuda:1", "cuda:7")


def machine(gpus, slots, instances=0):
    return [
        *(Device(f"GPU-{n}", GPU, f"GPU {n}") for n in range(gpus)),
        *(Device(f"MIG-{n}", GPU, f"MIG {n}") for n in range(instances)),
        *(Device(f"cpu:{n}", CPU, f"CPU slot {n}") for n in range(slots)),
    ]


def random_queue(rng, size=12):
    """Return jobs as a store returns them: by falling priority."""
    jobs = [
        job(
            f"r{number}",
            device=rng.choice(SETTINGS),
            num_processes=rng.choice((1, 1, 1, 2, 3)),
            priority=rng.choice((0, 0, 1, -1)),
            position=number,
        )
        for number in range(rng.randint(0, size))
    ]
    return sorted(jobs, key=lambda each: (-each.priority, each.position))


def random_case(rng):
    inventory = machine(rng.randint(0, 4), rng.randint(1, 3), rng.choice((0, 0, 2)))
    taken = {d.id: "leased by run x" for d in inventory if rng.random() < 0.3}
    return random_queue(rng), inventory, taken


def generators(seed):
    return [random.Random(f"{seed} {case}") for case in CASES]


def kind_of(each, inventory):
    """Return the kind of device that a job wants, None if it can never run."""
    try:
        return wanted(each.device, each.num_processes, inventory)[0]
    except ValueError:
        return None


@pytest.mark.parametrize("seed", SEEDS)
def test_random_cases_have_all_that_matters(seed):
    """Among them are starts, waits and misfits, of both kinds."""
    found = set()
    for rng in generators(seed):
        queue, inventory, taken = random_case(rng)
        made = plan(queue, inventory, taken)
        found |= {("starts", kind_of(each, inventory)) for each, _ in made.starts}
        waiting = [each for each in queue if each.path in made.reasons]
        found |= {("waits", kind_of(each, inventory)) for each in waiting}
    assert found == {
        ("starts", GPU),
        ("starts", CPU),
        ("waits", GPU),
        ("waits", CPU),
        ("waits", None),
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_a_plan_keeps_its_promises(seed):
    for rng in generators(seed):
        queue, inventory, taken = random_case(rng)
        before = dict(taken)
        made = plan(queue, inventory, taken)
        assert taken == before

        # Each job is in exactly one part, with a reason that says something.
        started = [each.path for each, _ in made.starts]
        assert sorted([*started, *made.reasons]) == sorted(each.path for each in queue)
        assert all(reason.endswith(".") for reason in made.reasons.values())

        # No device twice, none that is taken, of the kind and number that is wanted.
        given = [device.id for _, devices in made.starts for device in devices]
        assert len(given) == len(set(given))
        assert not set(given) & set(taken)
        for each, devices in made.starts:
            kind, count, pinned = wanted(each.device, each.num_processes, inventory)
            assert [device.kind for device in devices] == [kind] * count
            assert pinned in (None, devices[0].id)

        # Strict order: after the first one of a kind that waits, none of it starts.
        for kind in (GPU, CPU):
            alike = [each for each in queue if kind_of(each, inventory) == kind]
            starts = [each.path in started for each in alike]
            assert starts == sorted(starts, reverse=True)
            waiting = [each for each in alike if each.path not in started]
            for each in waiting[1:]:
                reason = made.reasons[each.path]
                assert reason == f"Waits behind run {waiting[0].run.id}."

        # What starts, starts in the order of the queue.
        assert started == [each.path for each in queue if each.path in started]


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_waits_without_need(seed):
    """The first one of a kind starts whenever its devices are free."""
    for rng in generators(seed):
        queue, inventory, _ = random_case(rng)
        made = plan(queue, inventory, {})
        for kind in (GPU, CPU):
            alike = [each for each in queue if kind_of(each, inventory) == kind]
            if alike:
                assert alike[0].path not in made.reasons


@pytest.mark.parametrize("seed", SEEDS)
def test_a_paused_queue_starts_nothing(seed):
    for rng in generators(seed):
        queue, inventory, taken = random_case(rng)
        made = plan(queue, inventory, taken, paused=True)
        assert made.starts == []
        assert made.reasons == {each.path: "The queue is paused." for each in queue}


def test_runs_on_the_cpu_pass_runs_that_wait_for_gpus():
    inventory = machine(1, 1)
    queue = [
        job("a", device="cuda"), job("b", device="cuda"), job("c", device="cpu"),
        job("d", device="cpu"), job("e", device="cuda:7"), job("f"),
    ]  # fmt: skip
    made = plan(queue, inventory, {})
    starts = [(each.run.id, [device.id for device in got]) for each, got in made.starts]
    assert starts == [("a", ["GPU-0"]), ("c", ["cpu:0"])]
    reasons = {path.removeprefix("/runs/"): why for path, why in made.reasons.items()}
    assert reasons["b"] == "Waits for GPU 0: leased by run a."
    assert reasons["d"] == "Waits for CPU slot 0: leased by run c."
    assert reasons["e"].startswith("It does not fit this machine: device must be one")
    assert reasons["f"] == "Waits behind run b."


def test_a_large_run_is_not_overtaken_by_small_ones():
    inventory = machine(4, 1)
    taken = {"GPU-0": "leased by run x"}
    queue = [job("large", device="cuda", num_processes=4), job("small", device="cuda")]
    assert plan(queue, inventory, taken).starts == []
    (start,) = plan(queue, inventory, {}).starts
    assert start[0].run.id == "large"


def test_what_can_never_run_stands_in_nobody_s_way():
    queue = [job("never", device="cuda", num_processes=9), job("next", device="cuda")]
    (start,) = plan(queue, machine(2, 1), {}).starts
    assert start[0].run.id == "next"


def test_an_empty_queue():
    made = plan([], machine(1, 1), {})
    assert (made.starts, made.reasons) == ([], {})
    assert moved([], "/runs/a", 1) == with_priority([], "/runs/a", 1) == []


# --- moving ---


@pytest.mark.parametrize("seed", SEEDS)
def test_a_moved_job_is_at_its_place_and_the_others_keep_their_order(seed):
    for rng in generators(seed):
        queue = random_queue(rng) or [job("only")]
        chosen, place = rng.choice(queue), rng.randint(-2, len(queue) + 3)
        order = moved(queue, chosen.path, place)
        others = [each for each in queue if each.path != chosen.path]
        assert [each for each in order if each.path != chosen.path] == others
        bounded = min(max(place, 1), len(queue))
        assert order[bounded - 1].path == chosen.path
        assert len(order) == len(queue)
        falling = [each.priority for each in order]
        assert falling == sorted(falling, reverse=True)
        if place == queue.index(chosen) + 1:
            assert order == queue  # it stays, with the priority that it had


@pytest.mark.parametrize("seed", SEEDS)
def test_a_job_of_another_priority_goes_behind_its_equals(seed):
    for rng in generators(seed):
        queue = random_queue(rng) or [job("only")]
        chosen, priority = rng.choice(queue), rng.randint(-2, 2)
        order = with_priority(queue, chosen.path, priority)
        others = [each for each in queue if each.path != chosen.path]
        assert [each for each in order if each.path != chosen.path] == others
        place = next(n for n, each in enumerate(order) if each.path == chosen.path)
        assert order[place].priority == priority
        assert all(each.priority >= priority for each in order[:place])
        assert all(each.priority < priority for each in order[place + 1 :])


def test_a_job_that_is_not_in_the_queue_changes_nothing():
    queue = [job("a", priority=1), job("b")]
    assert moved(queue, "/runs/x", 1) == queue
    assert with_priority(queue, "/runs/x", 5) == queue


def test_a_move_takes_no_more_priority_than_it_needs():
    queue = [job("a", priority=5), job("b", priority=1), job("c"), job("d")]

    def priority(name, place):
        order = moved(queue, job(name).path, place)
        return next(each.priority for each in order if each.run.id == name)

    assert priority("d", 1) == 5
    assert priority("d", 2) == 1
    assert priority("d", 3) == 0
    assert priority("a", 2) == 1
    assert priority("a", 4) == 0
    assert priority("b", 3) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_store_returns_the_order_that_was_written(tmp_path, kind):
    store, rng = Store(home_on(kind, tmp_path / "jobs")), random.Random(7)
    store.add([job(f"r{n}", priority=rng.randint(-1, 1)) for n in range(8)])
    for _ in range(25):
        queue = store.queued()
        path, number = rng.choice(queue).path, rng.randint(-3, 9)
        change = rng.choice((moved, with_priority))
        store.arrange(lambda queue: change(queue, path, number))  # noqa: B023
        assert names(store.queued()) == names(change(queue, path, number))
        if rng.random() < 0.2:
            store.add([job(f"more{rng.random()}", priority=rng.randint(-1, 1))])
    store.close()

"""Four processes that do at random all that clients and dispatchers do to one store.

`python -m tests.trainers.jobs.store_crowd FOLDER URL SECONDS SEED` tells in JSON what
they did. Each looks at the store as it goes, too: a job is in one place, a device is
leased once.
"""

import json
import multiprocessing
import random
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from tests.trainers.jobs.stores import job
from trainers.jobs.home import Home
from trainers.jobs.store import Store
from trainers.runs import RunError

SIZE, DEVICES = 4, [f"gpu:{number}" for number in range(3)]


class Member:
    """One process of the crowd."""

    def __init__(self, number, home, seed):
        self.number, self.random = number, random.Random(f"{seed} {number}")
        self.store = Store(home)
        # On one machine all claim for it; on a server each is a machine of its own.
        self.host = f"host{number if home.url else 0}"
        self.told = {"added": [], "claimed": [], "cancelled": [], "settled": []}

    def add(self):
        new = [
            job(f"{self.number}-{len(self.told['added']) + extra}",
                num_processes=self.random.randint(1, 2),
                priority=self.random.randint(-1, 1))
            for extra in range(self.random.randint(1, 3))
        ]  # fmt: skip
        self.store.add(new)
        self.told["added"] += [each.path for each in new]

    def cancel(self):
        queue = self.store.queued()
        if queue:
            path = self.random.choice(queue).path
            if self.store.cancel(path):
                self.told["cancelled"].append(path)

    def claim(self):
        def decide(queue, leases):
            held = [lease.device for lease in leases]
            assert len(set(held)) == len(held)
            assert not {lease.path for lease in leases} & {each.path for each in queue}
            free, starts = [each for each in DEVICES if each not in held], []
            for each in queue:
                if each.num_processes <= len(free):
                    starts.append((each, free[: each.num_processes]))
                    free = free[each.num_processes :]
            reason = str(self.random.random())
            waiting = {each.path for each in queue} - {each.path for each, _ in starts}
            return starts, dict.fromkeys(waiting, reason)

        claimed = self.store.claim(self.host, decide)
        self.told["claimed"] += [each.path for each in claimed]

    def settle(self):
        active = self.store.active(self.host)
        if active:
            chosen = self.random.choice(active)
            if self.random.random() < 0.3:
                self.store.requeue(chosen)
            else:
                self.store.settle(chosen, "finished", announced=False)
                if self.store.get(chosen.path).outcome == "finished":
                    self.told["settled"].append(chosen.path)

    def arrange(self):
        def shuffled(queue):
            self.random.shuffle(queue)
            return [replace(each, priority=0) for each in queue]

        self.store.arrange(shuffled)

    def look(self):
        paths = Counter(each.path for each in self.store.queued())
        assert set(paths.values()) <= {1}

    def go_on(self, seconds):
        deadline = time.monotonic() + seconds
        actions = [self.add, self.cancel, self.claim, self.claim, self.settle,
                   self.settle, self.arrange, self.look]  # fmt: skip
        while time.monotonic() < deadline:
            self.random.choice(actions)()
        self.store.close()
        return self.told


def member(number, home, seconds, seed, results):
    try:
        results.put(Member(number, home, seed).go_on(seconds))
    except (RunError, AssertionError) as error:
        results.put({"error": [repr(error)]})
        raise


def main():
    folder, url, seconds, seed = sys.argv[1:]
    home, fork = Home(Path(folder), url), multiprocessing.get_context("fork")
    results = fork.Queue()
    crowd = [
        fork.Process(target=member, args=(number, home, float(seconds), seed, results))
        for number in range(SIZE)
    ]
    for each in crowd:
        each.start()
    told = [results.get(timeout=60) for _ in crowd]
    for each in crowd:
        each.join()
    if any(each.exitcode for each in crowd):
        sys.exit(f"seed {seed}: {[each['error'] for each in told if 'error' in each]}")
    merged = {key: [path for each in told for path in each[key]] for key in told[0]}
    hosts = [f"host{number}" for number in range(SIZE)]
    sys.stdout.write(json.dumps(merged | {"hosts": hosts}))


if __name__ == "__main__":
    main()

"""Steps to an accuracy as the batch grows: SGD, AdamW, LAMB, K-FAC, SP-NGD.

Protocol large-batch (design.md, section 7): LeNet-5 on Fashion-MNIST, all 60,000
training images, normalised, no augmentation, fp32; steps, epochs and seconds to 88 %
and to 89.5 % test accuracy. For a seed, all methods see the same initial weights and
batches. The learning rate rises over the first 5 % of the limit of epochs (`LIMITS`)
and then is constant, so that a limit does not decide when a target is reached. The test
set is looked at every half epoch, or every step where an epoch has one; steps are told
on that grid, and seconds leave these looks out. On a CPU they are of the processor, in
one thread, and so hold on a machine that others use, too. A batch goes through the
network in chunks whose gradients add up.

Each method has the same small search at each batch size, with seed 0 and by test
accuracy, since there is no validation split: of four settings
(`benchmarks/peers/contenders.py`) the better two are kept after an eighth of the limit,
and, by medians over all seeds, the better one after a quarter. That one is trained to
the end with every seed. Where with seed 0 it has not come to 80 % at half of the limit
it is given up, and where it reaches no target the other seeds are left out. Figures are
medians over seeds, null where half of them do not get there.

All of it takes hours on a CPU. With `--cache` what was learned is kept in a file, and
an interrupted run goes on from there.

    python benchmarks/large_batch.py [--quick] [--only METHOD...] [--batch-sizes N...]
                                     [--seeds S...] [--cache PATH] [--json PATH]
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

# Opacus installs a package `benchmarks` of its own, which a script would find first.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.machine import machine
from benchmarks.peers.contenders import SETTINGS
from benchmarks.peers.learning import Curves
from benchmarks.peers.search import TARGETS, Plan, Row, rows_of
from benchmarks.tasks import TASKS, load_problem

TASK = TASKS["fashion-lenet"]
LIMITS = {256: 16, 1_024: 16, 4_096: 24, 16_384: 40, 60_000: 64}  # epochs
QUICK_LIMITS = {1_024: 2}
NUM_SETTINGS = 4
UNIT = "sgd"
HEAD = (
    f"{'batch':>6} {'method':>7} {'target':>6} {'steps':>7} {'spread':>13} "
    f"{'x sgd':>6} {'epochs':>7} {'seconds':>8}  setting"
)


def plan_of(options: argparse.Namespace) -> Plan:
    """What the command line asks for."""
    if options.quick:
        return Plan(QUICK_LIMITS, num_settings=1, seeds=())
    sizes = options.batch_sizes or LIMITS
    limits = {size: LIMITS[size] for size in sorted(sizes)}
    return Plan(limits, NUM_SETTINGS, tuple(dict.fromkeys(options.seeds)))


def table_lines(rows: Iterable[Row], units: dict[float, float | None]) -> str:
    """Rows of a method at a batch size as text.

    Args:
        rows: One for each target.
        units: Steps of SGD by target; None where it does not get there.

    Returns:
        A line for each.
    """
    return "\n".join(table_line(row, units.get(row["target"])) for row in rows)


def table_line(row: Row, unit: float | None) -> str:
    """A row as text, its steps also as a ratio to SGD's where that gets there."""
    chosen = {name: row[name] for name in ("lr", "damping", "kl_clip")}
    setting = ", ".join(f"{n} {v:g}" for n, v in chosen.items() if v is not None)
    start = f"{row['batch_size']:>6} {row['method']:>7} {row['target']:6.1%}"
    if row["steps"] is None:
        best = f"best {row['best_accuracy']:.2%} in {row['tried_epochs']:g} epochs"
        return f"{start} {'-':>7} {best:>37}  {setting}"
    high = "-" if row["steps_high"] is None else f"{row['steps_high']:g}"
    spread = f"{row['steps_low']:g}-{high}"
    ratio = "-" if unit is None else f"{row['steps'] / unit:.2f}"
    return (
        f"{start} {row['steps']:7g} {spread:>13} {ratio:>6} {row['epochs']:7.1f} "
        f"{row['seconds']:8.1f}  {setting}"
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="batch 1024, 2 epochs, no search, seed 0"
    )
    parser.add_argument(
        "--only", nargs="+", choices=SETTINGS, default=list(SETTINGS),
        metavar="METHOD", help=", ".join(SETTINGS),
    )  # fmt: skip
    parser.add_argument(
        "--batch-sizes", nargs="+", type=int, choices=LIMITS, metavar="N",
        help=", ".join(map(str, LIMITS)),
    )  # fmt: skip
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--cache", type=Path, metavar="PATH", help="JSON lines")
    parser.add_argument("--json", type=Path, metavar="PATH")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    options = parse(arguments)
    torch.set_num_threads(1)
    plan = plan_of(options)
    curves = Curves(load_problem(TASK), max(TARGETS), options.cache)
    methods = [method for method in SETTINGS if method in options.only]
    print(f"{machine()}\n{HEAD}")
    found = list[Row]()
    for batch_size in plan.limits:
        units: dict[float, float | None] = {}
        for method in methods:
            rows = rows_of(curves, method, batch_size, plan)
            if method == UNIT:
                units = {row["target"]: row["steps"] for row in rows}
            print(table_lines(rows, units), flush=True)
            found += rows
            if options.json:  # as far as it goes: all of it takes hours
                options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

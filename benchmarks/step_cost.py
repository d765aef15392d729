"""What a training step costs: forward, backward and update, beside AdamW's and SGD's.

Protocol (design.md, section 7): all methods on the same network and batch in the same
process, on one thread unless told otherwise. Their steps are spread evenly and in
random order over the run, so that they evict each other's caches equally; slow methods
get fewer. Figures are medians, the spread is the middle half, both as ratios to AdamW;
"x sgd" is the ratio to SGD with momentum. A method that refreshes its curvature every
tenth step has as one repeat the mean of ten steps; SP-NGD, which decides itself when to
refresh, has one repeat, the mean of a window of 300 steps (60 with --quick), and the
share of its statistics that a step of them refreshed. It learns slowly and from one
batch: that share is of a stretch in which little changes. Extra memory is the peak of
torch's allocations during a step, above what was held before it, less AdamW's, looked
at over ten steps at most. "squares" says whether the squares of a small batch agree
with a loop over examples.

The peers are optional: `pip install -e '.[bench]'`; what each of them does is told in
`benchmarks/peers/methods.py`. With `--device cuda` there is also ResNet-18 on 128
images of 224 pixels, in float32 and in bfloat16 autocast.

Below the timings of K-FAC or SP-NGD, what ranks would send each other is computed
(`benchmarks/peers/volume.py`); `--volume` prints that alone.

    python benchmarks/step_cost.py [--quick] [--only NAME...] [--methods NAME...]
                                   [--threads N] [--device DEVICE] [--json PATH]
                                   [--volume]
"""

import argparse
import json
import os
import statistics
import sys
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # the profiler's own remarks

import torch
from torch import Tensor, nn

# Opacus installs a package `benchmarks` of its own, which a script would find first.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.machine import machine
from benchmarks.peers import volume
from benchmarks.peers.check import check_squares, reason, versions
from benchmarks.peers.cost import Effort, Runner, peak_mib, time_steps
from benchmarks.peers.methods import METHODS
from trainers.models import build_model


@dataclass(frozen=True)
class Network:
    """A network and its batch.

    Args:
        name: As `trainers.models.build_model` takes it.
        shape: Of one input.
        batch_size: Examples of a step.
        num_classes: Number of logits.
        autocast: Whether the forward pass runs in bfloat16.
    """

    name: str
    shape: tuple[int, ...]
    batch_size: int
    num_classes: int = 10
    autocast: bool = False

    def build(self, device: torch.device) -> nn.Module:
        """The network in train mode, the same every time."""
        torch.manual_seed(0)
        model = build_model(self.name, self.shape, self.num_classes).to(device)
        if self.autocast:
            cast = torch.autocast(device.type, torch.bfloat16)
            model.forward = cast(model.forward)
        return model

    def batch(self, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Random inputs and labels, the same every time."""
        torch.manual_seed(1)
        inputs = torch.randn(size, *self.shape)
        return inputs.to(device), torch.randint(self.num_classes, (size,)).to(device)


NETWORKS = {
    "mlp": Network("mlp", (1, 28, 28), 128),
    "lenet5": Network("lenet5", (1, 28, 28), 128),
    "resnet20": Network("resnet20", (3, 32, 32), 64),
    "vit": Network("timm:vit_tiny_patch16_224", (3, 32, 32), 64),
}
GPU_NETWORKS = {
    "resnet18": Network("timm:resnet18", (3, 224, 224), 128, 1000),
    "resnet18_bf16": Network("timm:resnet18", (3, 224, 224), 128, 1000, autocast=True),
}
CPU = torch.device("cpu")
UNITS = UNIT, SGD = ("adamw", "sgd")
FULL, QUICK = Effort(60, 8.0), Effort(20, 2.0, window=60, fewest=1)
NAME_WIDTH = max(map(len, METHODS))
Row = dict[str, Any]
WARM_UP = 2  # steps, and a whole cycle after them; the first of VOGN verifies too
NUM_CHECKED = 4  # examples of the batch whose squares are checked


def measure(
    name: str, methods: Iterable[str], effort: Effort, device: torch.device = CPU
) -> list[Row]:
    """Rows of the table for one network.

    Args:
        name: Of the network.
        methods: Names; AdamW and SGD are always among the rows.
        effort: How much to measure.
        device: Where to run.

    Returns:
        A row for each method.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the peers' own, on layers they do not know
        runners, reasons = make_all_ready(name, {*UNITS, *methods}, device)
        # Memory first: later, SP-NGD has nothing to refresh in most steps.
        memory = {method: peak_mib(runner) for method, runner in runners.items()}
        for runner in runners.values():
            runner.figures()
        seconds = time_steps(runners, effort)
    found = {
        method: timed_row(method, seconds, memory, runner)
        for method, runner in runners.items()
    }
    found |= {method: empty_row(method, why) for method, why in reasons.items()}
    return [{"network": name, **found[method]} for method in METHODS if method in found]


def make_all_ready(
    name: str, methods: set[str], device: torch.device
) -> tuple[dict[str, Runner], dict[str, str]]:
    """The methods that can handle a network, and why the others cannot."""
    runners: dict[str, Runner] = {}
    reasons: dict[str, str] = {}
    for method in sorted(methods, key=list(METHODS).index):
        try:
            runners[method] = make_ready(name, method, device)
        except Exception as error:
            if not METHODS[method].is_peer:
                raise
            reasons[method] = reason(error)
    return runners, reasons


def make_ready(name: str, method: str, device: torch.device) -> Runner:
    """Check a method's squares on a network and warm its step up."""
    network = (NETWORKS | GPU_NETWORKS)[name]
    build, chosen = partial(network.build, device), METHODS[method]
    squares = "-"
    if chosen.squares is not None:
        few = network.batch(NUM_CHECKED, device)
        squares = check_squares(chosen.squares, build, *few)
    step = chosen.prepare(build())
    ready = partial(step, *network.batch(network.batch_size, device))
    for _ in range(WARM_UP):
        ready()
    figures = getattr(step, "figures", dict)
    return Runner(ready, chosen.cycle, squares, device, figures)


def timed_row(
    method: str,
    seconds: dict[str, list[float]],
    memory: dict[str, float],
    runner: Runner,
) -> Row:
    """Row of a method that ran."""
    unit, sgd = (statistics.median(seconds[each]) for each in UNITS)
    low, middle, high = quartiles(seconds[method])
    return {
        "method": method,
        "ratio": middle / unit,
        "ratio_low": low / unit,
        "ratio_high": high / unit,
        "ratio_to_sgd": middle / sgd,
        "milliseconds": 1000 * middle,
        "extra_mib": memory[method] - memory[UNIT],
        "squares": runner.squares,
        "refreshed_share": runner.figures().get("refreshed_share"),
        "reason": None,
    }


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """The middle half and the median; one value is all three."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4)
    return low, middle, high


def empty_row(method: str, why: str) -> Row:
    """Row of a method that is missing or cannot handle the network."""
    figures = (
        "ratio", "ratio_low", "ratio_high", "ratio_to_sgd", "milliseconds", "extra_mib",
        "squares", "refreshed_share",
    )  # fmt: skip
    return {"method": method, **dict.fromkeys(figures), "reason": why}


def table_line(row: Row) -> str:
    """A row as text."""
    start = f"{row['network']:>13} {row['method']:>{NAME_WIDTH}}"
    if row["reason"]:
        return f"{start}  {row['reason']}"
    spread = f"{row['ratio_low']:.2f}-{row['ratio_high']:.2f}"
    share = row["refreshed_share"]
    note = row["squares"] if share is None else f"refreshes {share:.1%}"
    return (
        f"{start} {row['ratio']:6.2f} {spread:>13} {row['ratio_to_sgd']:6.2f} "
        f"{row['milliseconds']:8.1f} {row['extra_mib']:10.1f}  {note}"
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [*NETWORKS, *GPU_NETWORKS]
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME")
    parser.add_argument("--methods", nargs="+", choices=METHODS, metavar="NAME")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--device", type=torch.device, default=CPU)
    parser.add_argument("--json", type=Path, metavar="PATH")
    parser.add_argument(
        "--volume", action="store_true", help="only what ranks would send each other"
    )
    return parser.parse_args(arguments)


def timings(options: argparse.Namespace, networks: Iterable[str]) -> list[Row]:
    """Measure and print the table.

    Args:
        options: The command line.
        networks: Names.

    Returns:
        Its rows.
    """
    print(f"{versions()}, device: {options.device}")
    print(f"{'network':>13} {'method':>{NAME_WIDTH}} {'ratio':>6} {'middle half':>13} "
          f"{'x sgd':>6} {'ms':>8} {'extra MiB':>10}  squares")  # fmt: skip
    effort = QUICK if options.quick else FULL
    rows = list[Row]()
    for name in networks:
        for row in measure(name, options.methods or METHODS, effort, options.device):
            print(table_line(row), flush=True)
            rows.append(row)
    return rows


def volumes(networks: Iterable[str], timed: Sequence[Row]) -> None:
    """Print what ranks would send each other."""
    shares = {
        row["network"]: row["refreshed_share"]
        for row in timed
        if row["method"] == "sp_ngd"
    }
    print(f"\n{volume.HEAD}")
    for name in networks:
        model = (NETWORKS | GPU_NETWORKS)[name].build(CPU)
        for line in volume.lines(name, model, shares.get(name)):
            print(line, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    options = parse(arguments)
    torch.set_num_threads(options.threads)
    print(machine())
    on_gpu = options.device.type == "cuda"
    networks = options.only or list(NETWORKS | (GPU_NETWORKS if on_gpu else {}))
    rows = [] if options.volume else timings(options, networks)
    if options.volume or {"kfac", "sp_ngd"} & {row["method"] for row in rows}:
        volumes(networks, rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""What a training step costs: forward, backward and update, as a ratio to AdamW's.

Protocol (design.md, section 7): all methods on the same network and batch in the same
process, their steps interleaved, one thread, median over repeats; the spread is the
middle half of the ratios. Extra memory is the peak of torch's CPU allocations during a
step above AdamW's.

    python benchmarks/step_cost.py [--quick] [--only NAME...] [--json PATH]
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW

from benchmarks.machine import machine
from trainers.models import build_model
from trainers.trainer import train_step
from vogn_app import VOGN

NETWORKS: dict[str, tuple[str, tuple[int, ...], int]] = {
    "mlp": ("mlp", (1, 28, 28), 128),
    "lenet5": ("lenet5", (1, 28, 28), 128),
    "resnet20": ("resnet20", (3, 32, 32), 64),
    "vit": ("timm:vit_tiny_patch16_224", (3, 32, 32), 64),
}
METHODS: dict[str, Callable[[nn.Module], torch.optim.Optimizer]] = {
    "adamw": lambda model: AdamW(model.parameters(), lr=1e-3),
    "sgd": lambda model: SGD(model.parameters(), lr=0.05, momentum=0.9),
    "vogn": lambda model: VOGN(model, num_data=60_000),
}
WARM_UP = 3  # steps; VOGN's first one also verifies its squares


def build_step(method: str, network: str) -> Callable[[], None]:
    """A function that makes one training step of a method on a network."""
    name, shape, batch_size = NETWORKS[network]
    torch.manual_seed(0)
    model = build_model(name, shape, 10)
    optimizer = METHODS[method](model)
    inputs: Tensor = torch.randn(batch_size, *shape)
    labels = torch.randint(10, (batch_size,))

    def step() -> None:
        train_step(model, optimizer, inputs, labels)

    return step


def measure(network: str, repeats: int) -> list[dict[str, Any]]:
    """Rows of the table for one network."""
    steps = {method: build_step(method, network) for method in METHODS}
    for step in steps.values():
        for _ in range(WARM_UP):
            step()
    seconds: dict[str, list[float]] = {method: [] for method in steps}
    for _ in range(repeats):
        for method, step in steps.items():
            start = time.perf_counter()
            step()
            seconds[method].append(time.perf_counter() - start)
    memory = {method: peak_mib(step) for method, step in steps.items()}
    base = statistics.median(seconds["adamw"])
    rows = []
    for method, times in seconds.items():
        low, middle, high = statistics.quantiles(times, n=4)
        rows.append({
            "network": network,
            "method": method,
            "ratio": middle / base,
            "ratio_low": low / base,
            "ratio_high": high / base,
            "milliseconds": 1000 * middle,
            "extra_mib": memory[method] - memory["adamw"],
        })
    return rows


def peak_mib(step: Callable[[], None]) -> float:
    """Peak of what torch holds on the CPU during one step, in MiB."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        step()
    held = peak = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak / 2**20


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--only", nargs="+", choices=NETWORKS, metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="PATH")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    print(f"{'network':>9} {'method':>7} {'ratio':>6} {'middle half':>12} "
          f"{'ms':>8} {'extra MiB':>10}")  # fmt: skip
    rows = []
    for network in options.only or NETWORKS:
        for row in measure(network, 15 if options.quick else 60):
            rows.append(row)
            spread = f"{row['ratio_low']:.2f}-{row['ratio_high']:.2f}"
            print(f"{row['network']:>9} {row['method']:>7} {row['ratio']:6.2f} "
                  f"{spread:>12} {row['milliseconds']:8.1f} "
                  f"{row['extra_mib']:10.1f}", flush=True)  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()

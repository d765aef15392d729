"""Results of benchmarks as their scripts write them, for tests."""

import json

STEP = [
    {"network": network, "method": method, "ratio": ratio, "ratio_low": ratio - 0.1,
     "ratio_high": ratio + 0.2, "milliseconds": 10.0 * ratio, "extra_mib": extra}
    for network, method, ratio, extra in (
        ("resnet20", "vogn", 1.2, 49.5), ("mlp", "adamw", 1.0, 0.0),
        ("mlp", "vogn", 1.35, 2.6), ("mlp", "vogn_interval_10", 1.03, 2.6),
        ("mlp", "sgd", 0.85, -2.8), ("other", "vogn", 9.0, 1.0),
    )
]  # fmt: skip
SECOND = [
    {"network": "mlp", "method": "vogn", "ratio": 7.0, "milliseconds": 1.0,
     "extra_mib": 0.0},
    {"network": "mlp", "method": "sp_ngd", "ratio": 4.4, "ratio_low": 4.4,
     "ratio_high": 4.4, "milliseconds": 33.7, "extra_mib": 14.7},
    {"network": "mlp", "method": "kfac", "ratio": None, "reason": "no"},
]  # fmt: skip
QUALITY = [
    {"dataset": dataset, "model": "lenet5", "method": method, "seed": seed,
     "accuracy": 0.9 + seed / 100, "nll": nll + seed / 100, "ece": 0.01,
     "ood_auroc": 0.95}
    for dataset, method, seed, nll in (
        ("fashion-mnist", "adamw", 0, 0.26), ("fashion-mnist", "vogn", 0, 0.24),
        ("fashion-mnist", "vogn", 1, 0.24), ("digits", "sgd", 0, 0.1),
        ("fashion-mnist", "ensemble", 0, 0.3),
    )
]  # fmt: skip
LARGE = [
    {"method": method, "batch_size": size, "target": target, "steps": steps,
     "num_seeds": seeds, "best_accuracy": 0.87}
    for method, size, target, steps, seeds in (
        ("kfac", 4096, 0.88, 32, 3), ("kfac", 256, 0.88, 118, 3),
        ("sgd", 256, 0.88, 944, 3), ("sgd", 4096, 0.88, None, 1),
        ("kfac", 256, 0.895, 236, 3),
    )
]  # fmt: skip


def write(folder, **files):
    """Write all files of results, or other content of the ones named."""
    content = {
        "step_cost": STEP, "second_order_cost": SECOND, "quality": QUALITY,
        "large_batch": LARGE,
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    for name, rows in (content | files).items():
        (folder / f"{name}.json").write_text(json.dumps(rows))
    (folder / "step_cost.txt").write_text("vogn-app 1, torch 2, a machine\nrows\n")
    (folder / "quality.txt").write_text("no such line\n")
    return folder

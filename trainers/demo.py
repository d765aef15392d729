"""`python -m trainers demo`: VOGN beside AdamW on digits, as a table."""

import time
from typing import Any

from trainers.config import (
    DatasetConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    TrainingConfig,
    command_line,
)
from trainers.jobs.launcher import code_version
from trainers.runs import Run, new_run, read_json
from trainers.session import train_run
from trainers.status import FINISHED

METHODS = ("vogn", "adamw")
EPOCHS = 30


def demo_config(optimizer: str) -> RunConfig:
    """LeNet-5 on digits, with the defaults of the optimizer."""
    return RunConfig(
        dataset=DatasetConfig(name="digits"),
        model=ModelConfig(name="lenet5"),
        optimizer=OptimizerConfig(name=optimizer),
        training=TrainingConfig(epochs=EPOCHS, batch_size=32),
    )


def demo() -> int:
    """Train both, print the comparison, and say how to go on.

    Returns:
        Exit code: 0 if both runs finished.
    """
    rows, runs = [], []
    for optimizer in METHODS:
        config = demo_config(optimizer)
        print(command_line(config), flush=True)
        run = new_run(config, code_version())
        start = time.monotonic()
        status = train_run(run)
        if status.state != FINISHED:
            print(f"{status.state}: {status.message}")
            return 1
        rows.append(table_row(run, optimizer, time.monotonic() - start))
        runs.append(run)
    print("\n".join(("", *table(rows), "")))
    print("Lower is better for NLL and ECE, higher for accuracy and OOD AUROC.")
    print("Both train with their defaults.")
    print("Run folders:")
    for run in runs:
        print(f"  {run.path}")
    print(
        "See them in the browser: `make app`, or `python -m streamlit run ui/app.py`,\n"
        "then open http://127.0.0.1:8501/runs"
    )
    return 0


def table_row(run: Run, optimizer: str, seconds: float) -> dict[str, Any]:
    """The numbers of one finished run."""
    content = read_json(run.evaluation)
    metrics = content["metrics"]
    aurocs = [scores["auroc"] for scores in content["ood"].values()]
    return {
        "optimizer": optimizer,
        "accuracy": metrics["accuracy"],
        "NLL": metrics["nll"],
        "ECE": metrics["ece"],
        "OOD AUROC": aurocs[0] if aurocs else float("nan"),
        "seconds": seconds,
    }


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Lines of a table with one row a run.

    Args:
        rows: Cells by column title; texts and numbers.

    Returns:
        Title line, rule and rows, aligned.
    """
    titles = list(rows[0])
    cells = [[_cell(title, row[title]) for title in titles] for row in rows]
    widths = [max(len(t), *(len(r[i]) for r in cells)) for i, t in enumerate(titles)]
    lines = [titles, ["-" * width for width in widths], *cells]
    return [
        "  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True))
        for line in lines
    ]


def _cell(title: str, value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.1f}" if title == "seconds" else f"{value:.4f}"

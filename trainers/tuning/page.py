"""What was tried as one HTML file that opens anywhere, without a network."""

from collections.abc import Sequence
from pathlib import Path

from calibration.report.document import (
    Block,
    Cell,
    Column,
    Document,
    Figure,
    Figures,
    Section,
    Table,
    Text,
)
from trainers.catalogue import optimizer_spec
from trainers.config import command_line
from trainers.runs import write_atomically
from trainers.tuning.asked import Asked
from trainers.tuning.charts import pictures
from trainers.tuning.outcome import COLUMNS, Played, best_config, rows, words
from trainers.tuning.trial import Trial


def write_page(path: Path, asked: Asked, played: Sequence[Played]) -> None:
    """Write the page, atomically.

    Args:
        path: The file.
        asked: What was asked.
        played: The stages that were reached.
    """
    from calibration.report.html import render_document  # which imports Jinja2

    write_atomically(path, render_document(document(asked, played)).encode())


def document(asked: Asked, played: Sequence[Played]) -> Document:
    """The page: what came of it, then stage by stage what was tried."""
    with_trials = [each for each in played if each.trials]
    sections = [_section(asked, each) for each in with_trials]
    return Document(
        title=title(asked), subtitle=subtitle(asked),
        facts=_facts(asked, played), sections=sections,
        kind="Search for hyper-parameters",
    )  # fmt: skip


def title(asked: Asked) -> str:
    """What was searched."""
    config = asked.config
    method = optimizer_spec(config.optimizer.name).title
    return f"Tuning {method} for {config.model.name} on {config.dataset.name}"


def subtitle(asked: Asked) -> str:
    """How it was searched."""
    halving = asked.halving
    return (
        f"At most {asked.num_trials} trials a stage and {halving.max_epochs} epochs a "
        f"trial; of the trials at a rung one in {halving.factor} goes on. Seed "
        f"{asked.seed}, {asked.num_samples} samples, validation split only."
    )


def _facts(asked: Asked, played: Sequence[Played]) -> list[Block]:
    table = Table(
        caption="Best of each method, on the validation split",
        columns=[_column(name) for name in COLUMNS],
        rows=[[Cell(text=text) for text in row] for row in rows(played)],
    )
    blocks: list[Block] = [table]
    config = best_config(asked, played)
    if config is not None:
        blocks.append(Text("The best in full: " + command_line(config), quiet=True))
    return blocks


def _column(name: str) -> Column:
    return Column(text=name, words=name in (COLUMNS[0], COLUMNS[-1]))


def _section(asked: Asked, played: Played) -> Section:
    figures = [
        Figure(chart=each.chart, alt=each.alt, title=each.title)
        for each in pictures(played, asked.halving)
    ]
    return Section(
        slug=played.stage.name,
        title=played.stage.title,
        blocks=[Figures(items=figures, columns=2), _table(played)],
    )


def _table(played: Played) -> Table:
    names = ("Trial", "Tried", "Epochs", "NLL", "Accuracy", "ECE", "Seconds", "End")
    return Table(
        caption="All trials",
        columns=[Column(text=n, words=n in ("Trial", "Tried", "End")) for n in names],
        rows=[_row(trial, trial is played.best) for trial in played.trials],
    )


def _row(trial: Trial, is_best: bool) -> list[Cell]:
    what = ": ".join(filter(None, (trial.title, words(trial.settings))))
    numbers = ["-"] * 3
    if trial.scores:
        score = trial.scores[-1]
        numbers = [f"{each:.4f}" for each in (score.nll, score.accuracy, score.ece)]
    texts = [str(trial.number), what, str(trial.epochs), *numbers]
    texts += [f"{trial.seconds:.1f}", trial.message or trial.state]
    return [Cell(text=text, strong=is_best) for text in texts]

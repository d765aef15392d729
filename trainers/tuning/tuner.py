"""The whole search: stage after stage, and what it leaves.

It can be stopped at any step and gone on with: trials that are over are written at
once, and everything else follows from them.
"""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from trainers.runs import RunError, write_json
from trainers.stopping import StopSignal
from trainers.tuning.asked import Asked
from trainers.tuning.outcome import Played, best_config, heading, line
from trainers.tuning.page import write_page
from trainers.tuning.picture import write_picture
from trainers.tuning.search import Report, Search, require_optuna
from trainers.tuning.stages import Goal, Stage, next_stage
from trainers.tuning.study import (
    FAILED,
    FINISHED,
    RUNNING,
    STOPPED,
    Study,
    append_trial,
    held,
    load_asked,
    note_stage,
    note_state,
    read_trials,
)
from trainers.tuning.training import Bench, Interruption
from trainers.tuning.trial import Trial, best_of

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """How a search ended.

    Args:
        state: "finished" or "stopped".
        played: The stages that were reached.
        message: Why it was stopped.
    """

    state: str
    played: tuple[Played, ...]
    message: str = ""


def tune(
    study: Study, stop: StopSignal, tell: Tell, timeout: float = math.inf
) -> Tuned:
    """Search from where a study stands to its end, or to a stop.

    Args:
        study: Its folder.
        stop: Asked after every step.
        tell: Takes lines for people.
        timeout: Seconds that there are.

    Returns:
        How it ended. `best.json`, the page and the picture show what was tried so far.

    Raises:
        RunError: If another process is at it, the record is damaged, or no trial of a
            stage came to its end.
        ValueError: If Optuna is missing, or what was asked cannot be trained.
    """
    require_optuna()
    with held(study):
        asked = load_asked(study)
        tuner = Tuner(study, asked, tell)
        note_state(study, RUNNING)
        try:
            tuner.run(Bench(asked.config, stop, time.monotonic() + timeout))
            tuner.show()
        except Interruption as reason:
            note_state(study, STOPPED, str(reason))
            tuner.show()
            return Tuned(state=STOPPED, played=tuple(tuner.played), message=str(reason))
        except BaseException as error:
            _note_end(study, tuner, error)
            raise
        note_state(study, FINISHED)
        return Tuned(state=FINISHED, played=tuple(tuner.played))


def _note_end(study: Study, tuner: "Tuner", error: BaseException) -> None:
    """Write what can be written of a search that failed."""
    impatient = isinstance(error, KeyboardInterrupt)
    with suppress(OSError, RunError):
        state = STOPPED if impatient else FAILED
        note_state(study, state, str(error) or type(error).__name__)
        if not impatient:
            tuner.show()


class Tuner:
    """The stages of a search.

    Args:
        study: Where trials are written.
        asked: What is wanted.
        tell: Takes lines for people.
    """

    def __init__(self, study: Study, asked: Asked, tell: Tell) -> None:
        self.played: list[Played] = []
        self._study, self._asked, self._tell = study, asked, tell
        self._known: dict[str, list[Trial]] = {}
        for trial in read_trials(study):
            earlier = self._known.setdefault(trial.stage, [])
            if trial.number != len(earlier):
                raise RunError(
                    f"{study.trials} is damaged: trial {trial.number} of stage "
                    f"{trial.stage!r} is in the place of {len(earlier)}."
                )
            earlier.append(trial)

    def run(self, bench: Bench) -> None:
        """Go through the stages.

        Args:
            bench: Trains.

        Raises:
            RunError: If no trial of a stage came to its end.
        """
        asked, best = self._asked, dict[str, Trial]()
        goal = Goal(
            optimizer=asked.config.optimizer.name, start=bench.start(),
            given=asked.given, num_trials=asked.num_trials,
            num_steps=bench.num_steps, prior=asked.prior,
        )  # fmt: skip
        for place, name in enumerate(goal.stages, start=1):
            stage = next_stage(name, goal, best)
            self._tell(heading(stage, place, len(goal.stages)))
            found = best_of(self._search(stage, bench))
            if found is None:
                raise RunError(
                    f"No trial of stage {name!r} came to its end: the network, the "
                    "data or the hyper-parameters that were given do not suit "
                    f"{stage.optimizer}."
                )
            best[name] = found

    def _search(self, stage: Stage, bench: Bench) -> list[Trial]:
        note_stage(self._study, stage)
        known = self._known.get(stage.name, [])
        search = Search(stage, self._asked.halving, self._asked.seed, known)
        # The list grows as trials come in, and is there if one is interrupted.
        self.played.append(Played(stage, search.trials))
        if known:
            self._tell(f"  {len(known)} trained before")

        def train(
            number: int, title: str, parameters: Mapping[str, Any], report: Report
        ) -> Trial:
            begin = time.monotonic()
            settings = {**stage.settings, **parameters}
            config = self._asked.tried(stage.optimizer, settings)
            outcome = bench.train(config, report, stage.learns_prior)
            return Trial(
                stage=stage.name, number=number, title=title, parameters=parameters,
                state=outcome.state, scores=outcome.scores, found=outcome.found,
                message=outcome.message, seconds=round(time.monotonic() - begin, 3),
            )  # fmt: skip

        def done(trial: Trial) -> None:
            append_trial(self._study, trial)
            self._tell(line(trial, best_of(search.trials)))

        return search.run(train, done)

    def show(self) -> None:
        """Write what was tried so far, and the configuration to launch."""
        if not any(each.trials for each in self.played):
            return
        config = best_config(self._asked, self.played)
        if config is not None:
            write_json(self._study.best, config.to_dict())
        write_page(self._study.page, self._asked, self.played)
        write_picture(self._study.picture, self._asked, self.played)

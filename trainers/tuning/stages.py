"""In which order the search goes: the recipe of VOGN's authors. Torch-free.

Osawa et al. (2019) and their advice to users: first tune OGN, which is VOGN without
noise, until it is as good as Adam; then switch the noise on; then tune the prior's
precision, the temperature, which begins very small and moves to 1, and the damping.
So for VOGN

1. `target`: AdamW, a small search over its learning rate, says what to reach;
2. `match`: OGN, over learning rate, initial curvature and damping; it ends early, after
   a third of its trials, once its NLL is within `MATCHED` of the target's;
3. `noise`: VOGN with OGN's settings. If it does not train, the temperature rises from
   nearly 0 over the first half of the steps; then from a smaller value yet; then the
   initial curvature, which is the first noise's precision, is ten times larger too;
4. `prior`: over prior precision, temperature, its warm-up and damping, by the NLL of
   the posterior predictive.

Any other optimizer has one stage, `search`, over what `trainers.tuning.spaces` has.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from trainers.catalogue import OPTIMIZERS, optimizer_spec
from trainers.tuning.spaces import (
    Dimension,
    Range,
    Value,
    searched_names,
    space,
)
from trainers.tuning.trial import COMPLETE, Trial, best_of

TARGET, MATCH, NOISE, PRIOR, SEARCH = "target", "match", "noise", "prior", "search"
RECIPE = (TARGET, MATCH, NOISE, PRIOR)
TITLES = {
    TARGET: "AdamW, the target",
    MATCH: "OGN, to match it without noise",
    NOISE: "VOGN, the noise switched on",
    PRIOR: "VOGN, prior and temperature",
}
MATCHED = 1.05  # of the target's NLL: less is within what seeds alone move it
# What noise may cost before the prior is tuned: of the NLL, or of the accuracy.
WORSE, LOST = 1.25, 0.03
TARGET_SHARE = 2  # the target gets one trial for so many of a stage
BY_SEARCH, BY_ELBO = "search", "elbo"
PRIORS = (BY_SEARCH, BY_ELBO)
_PRIOR_PRECISION = "prior_precision"
# Around what VOGN chooses by itself, which is near already.
_MATCH_RANGES = {
    "lr": Range(low=1 / 10, high=10, relative=True),
    "initial_curvature": Range(low=1 / 5, high=5, relative=True),
    "damping": Range(low=1 / 10, high=10, relative=True),
}
_TARGET_RANGES = {"lr": Range(low=1 / 10, high=30, relative=True)}


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A point that a stage tries before it looks for itself."""

    title: str = ""
    parameters: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What is to be tuned, and what is known of it beforehand.

    Args:
        optimizer: Its name.
        start: All of its hyper-parameters to begin with; "auto" became numbers.
        given: Names of those that somebody chose, which are not searched.
        num_trials: Most trials a stage.
        num_steps: Steps of a whole training.
        prior: "search", or "elbo" for a prior precision that training itself finds.
    """

    optimizer: str
    start: Mapping[str, Any]
    given: Sequence[str] = ()
    num_trials: int = 20
    num_steps: int = 1
    prior: str = BY_SEARCH

    def __post_init__(self) -> None:
        if self.prior not in PRIORS:
            raise ValueError(
                f"prior must be one of {', '.join(PRIORS)}, got {self.prior!r}."
            )

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages, in order."""
        if self.optimizer != "vogn":
            return (SEARCH,)
        return RECIPE if self.start.get("sampled", True) else RECIPE[:2]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of the search.

    Args:
        name: As in the module's docstring.
        title: For people.
        optimizer: Name of that which trains.
        settings: Its hyper-parameters, where a trial says nothing else.
        space: What is searched; () for the candidates alone.
        candidates: Tried first, in order.
        num_trials: Most trials.
        learns_prior: Whether the prior precision follows the ELBO in training.
        reference: The trial that it is measured against, if any.
    """

    name: str
    title: str
    optimizer: str
    settings: Mapping[str, Any]
    space: tuple[Dimension, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    num_trials: int = 1
    learns_prior: bool = False
    reference: Trial | None = None

    def is_enough(self, trials: Sequence[Trial]) -> bool:
        """Whether the trials so far will do, though there could be more."""
        if not trials or self.reference is None:
            return False
        if self.name == NOISE:
            return trains(trials[-1], self.reference)
        if self.name != MATCH or len(trials) < math.ceil(self.num_trials / 3):
            return False
        best = best_of(trials)
        return best is not None and best.nll <= MATCHED * self.reference.nll


def trains(trial: Trial, quiet: Trial) -> bool:
    """Whether a trial with noise is near enough to one without."""
    if trial.state != COMPLETE:
        return False
    accuracy = quiet.scores[-1].accuracy - LOST
    near = trial.nll <= WORSE * quiet.nll
    return near or trial.scores[-1].accuracy >= accuracy


def next_stage(name: str, goal: Goal, best: Mapping[str, Trial]) -> Stage:
    """A stage, after those before it.

    Args:
        name: One of `goal.stages`.
        goal: What is tuned.
        best: The best trial of each earlier stage.

    Returns:
        The stage.
    """
    if name == SEARCH:
        return _search(goal)
    makers = {TARGET: _target, MATCH: _match, NOISE: _noise, PRIOR: _prior}
    return makers[name](goal, best)


def _search(goal: Goal) -> Stage:
    """The only stage of an optimizer without a recipe."""
    by_elbo = goal.prior == BY_ELBO
    names = [name for name in searched_names(goal.optimizer) if name not in goal.given]
    if by_elbo:
        names = [name for name in names if name != _PRIOR_PRECISION]
    found = space(goal.optimizer, names, goal.start)
    return Stage(
        name=SEARCH, title=optimizer_spec(goal.optimizer).title,
        optimizer=goal.optimizer, settings=goal.start, space=found,
        candidates=_of(found, goal.start, Candidate(title="as it begins")),
        num_trials=goal.num_trials if found else 1, learns_prior=by_elbo,
    )  # fmt: skip


def _target(goal: Goal, best: Mapping[str, Trial]) -> Stage:  # noqa: ARG001
    start = OPTIMIZERS["adamw"].defaults()
    found = space("adamw", ("lr",), start, _TARGET_RANGES)
    return Stage(
        name=TARGET, title=TITLES[TARGET], optimizer="adamw", settings=start,
        space=found, candidates=_of(found, start, Candidate(title="default")),
        num_trials=math.ceil(goal.num_trials / TARGET_SHARE),
    )  # fmt: skip


def _match(goal: Goal, best: Mapping[str, Trial]) -> Stage:
    settings = {**goal.start, "sampled": False}
    names = _free([*_MATCH_RANGES], goal)
    found = space("vogn", names, settings, _MATCH_RANGES)
    return Stage(
        name=MATCH, title=TITLES[MATCH], optimizer="vogn", settings=settings,
        space=found, candidates=_of(found, settings, Candidate(title="as it begins")),
        num_trials=goal.num_trials if found else 1, reference=best.get(TARGET),
    )  # fmt: skip


def _noise(goal: Goal, best: Mapping[str, Trial]) -> Stage:
    settings = {**goal.start, **best[MATCH].settings, "sampled": True}
    steps = max(1, goal.num_steps // 2)
    warm: dict[str, Value] = {"temperature_warmup": steps}
    cold = warm | {"initial_temperature": 1e-3}
    curvature = 10 * settings["initial_curvature"]
    steady = cold | {"initial_curvature": curvature}
    candidates = (
        Candidate(title="as found"),
        Candidate(title="warm-up", parameters=warm),
        Candidate(title="colder warm-up", parameters=cold),
        Candidate(title="and less first noise", parameters=steady),
    )
    chosen = _without(candidates, goal.given)
    return Stage(
        name=NOISE, title=TITLES[NOISE], optimizer="vogn", settings=settings,
        candidates=chosen, num_trials=min(len(chosen), goal.num_trials),
        reference=best[MATCH],
    )  # fmt: skip


def _prior(goal: Goal, best: Mapping[str, Trial]) -> Stage:
    found_before = {**best[MATCH].settings, **best[NOISE].settings}
    settings = {**goal.start, **found_before, "sampled": True}
    by_elbo = goal.prior == BY_ELBO
    names = [] if by_elbo else [_PRIOR_PRECISION]
    names += ["temperature", "damping"]
    found = space("vogn", _free(names, goal), settings)
    if "temperature_warmup" not in goal.given:
        found = (*found, _warmup(goal.num_steps, settings["temperature_warmup"]))
    candidates = (
        Candidate(title="as found"),
        Candidate(title="cold", parameters={"temperature": 1e-2}),
        Candidate(title="cool", parameters={"temperature": 1e-1}),
    )
    return Stage(
        name=PRIOR, title=TITLES[PRIOR], optimizer="vogn", settings=settings,
        space=found,
        candidates=_of(found, settings, *_without(candidates, goal.given)),
        num_trials=goal.num_trials, learns_prior=by_elbo, reference=best.get(TARGET),
    )  # fmt: skip


def _warmup(num_steps: int, chosen: int) -> Dimension:
    """Over how many steps the temperature may rise."""
    choices = sorted({0, num_steps // 4, num_steps // 2, chosen})
    return Dimension(
        name="temperature_warmup", low=choices[0], high=choices[-1], log=False,
        whole=True, choices=tuple(choices),
    )  # fmt: skip


def _free(names: Sequence[str], goal: Goal) -> list[str]:
    return [name for name in names if name not in goal.given]


def _without(
    candidates: Sequence[Candidate], given: Sequence[str]
) -> tuple[Candidate, ...]:
    """Candidates without what somebody chose, those that become alike once."""
    kept: list[Candidate] = []
    for each in candidates:
        values = {k: v for k, v in each.parameters.items() if k not in given}
        if values not in [other.parameters for other in kept]:
            kept.append(replace(each, parameters=values))
    return tuple(kept)


def _of(
    dimensions: Sequence[Dimension], start: Mapping[str, Any], *candidates: Candidate
) -> tuple[Candidate, ...]:
    """Candidates with a value for each dimension that has one to begin with."""
    made = []
    for each in candidates:
        values = {**start, **each.parameters}
        inside = {d.name: values[d.name] for d in dimensions if d.has(values[d.name])}
        made.append(replace(each, parameters=inside))
    return _without(made, ())

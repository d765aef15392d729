"""How soon a network reaches a test accuracy: its learning curve, made or remembered.

A curve can be cut short and continued, so that a search pays only for what it looks at,
and it can be kept in a file, so that an interrupted benchmark goes on.
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own idiom
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from benchmarks.peers.contenders import Setting, build_contender
from benchmarks.peers.cost import synchronise
from benchmarks.peers.training import fresh_model
from benchmarks.tasks import Problem
from trainers.batches import DeviceSplit, batch_sizes, epoch_rows

CHUNK = 512  # examples of a forward pass: more fit no cache of a CPU
TEST_CHUNK = 1000
WARM_UP = 0.05  # of the limit: the learning rate rises, and then is constant


@dataclass(frozen=True)
class Attempt:
    """What is trained.

    Args:
        method: Name in `SETTINGS`.
        batch_size: Examples of a step.
        setting: Learning rate and damping.
        seed: Decides initial weights and order of the examples.
        limit: Epochs after which it ends; they also set the length of the warm-up.
    """

    method: str
    batch_size: int
    setting: Setting
    seed: int
    limit: int


class Point(NamedTuple):
    """A point of a learning curve.

    Args:
        step: Steps made.
        seconds: That they took, evaluation left out.
        accuracy: On the test set.
    """

    step: int
    seconds: float
    accuracy: float


@dataclass(frozen=True)
class Curve:
    """A learning curve as far as it is known.

    Args:
        points: In order of their steps.
        is_over: Whether there is nothing to learn on for: the goal is reached, or the
            weights are no longer finite.
    """

    points: tuple[Point, ...] = ()
    is_over: bool = False

    def reaches(self, step: int) -> bool:
        """Whether it tells all up to a step."""
        return self.is_over or bool(self.points and self.points[-1].step >= step)

    def first(self, accuracy: float) -> Point | None:
        """The first point at or above an accuracy."""
        return next((p for p in self.points if p.accuracy >= accuracy), None)

    def until(self, step: int) -> "Curve":
        """What was known at a step."""
        return Curve(tuple(p for p in self.points if p.step <= step), self.is_over)

    @property
    def best(self) -> float:
        """The highest accuracy."""
        return max((point.accuracy for point in self.points), default=0.0)


class Learner:
    """A network in training.

    Args:
        attempt: How.
        problem: On what.
        goal: Test accuracy at which it ends.
    """

    def __init__(self, attempt: Attempt, problem: Problem, goal: float) -> None:
        self.problem, self.goal = problem, goal
        self.model = fresh_model(problem, attempt.seed)
        self.optimizer = build_contender(
            attempt.method, attempt.setting, attempt.batch_size, self.model
        )
        total = attempt.limit * steps_per_epoch(problem, attempt.batch_size)
        self.scheduler = LambdaLR(self.optimizer, warm_up(math.ceil(WARM_UP * total)))
        self.batches = endless(problem.train, attempt.batch_size, attempt.seed)
        self.interval = evaluation_interval(problem, attempt.batch_size)
        self.step, self.seconds, self.curve = 0, 0.0, Curve()

    def learn(self, until: int) -> Curve:
        """Train up to a step, or to the goal if that comes first."""
        while not self.curve.reaches(until):
            finite = self._train(self.interval)
            accuracy = accuracy_on(self.model, self.problem.judged[0])
            point = Point(self.step, round(self.seconds, 3), accuracy)
            is_over = accuracy >= self.goal or not finite
            self.curve = Curve((*self.curve.points, point), is_over)
        return self.curve

    def _train(self, num_steps: int) -> bool:
        train = self.problem.train
        self.model.train()
        start = clock(train.labels.device)
        for _ in range(num_steps):
            loss = accumulated_step(
                self.model, self.optimizer, train, next(self.batches)
            )
            self.scheduler.step()
        self.step += num_steps
        self.seconds += clock(train.labels.device) - start
        return math.isfinite(loss)


class Curves:
    """Learning curves, each made once.

    Args:
        problem: What is learned.
        goal: Test accuracy at which an attempt ends.
        path: File that keeps them, a line each; None keeps none. A curve that grows is
            written again, and the last line counts.
    """

    def __init__(self, problem: Problem, goal: float, path: Path | None = None) -> None:
        self.problem, self.goal, self.path = problem, goal, path
        self.learners: dict[Attempt, Learner] = {}
        lines = path.read_text().splitlines() if path and path.exists() else []
        self.known = dict(map(from_line, lines))

    def until(self, attempt: Attempt, step: int) -> Curve:
        """The curve of an attempt up to a step, trained where it is not known.

        Args:
            attempt: Which.
            step: Up to and with this one.

        Returns:
            The curve, cut there.
        """
        known = self.known.get(attempt, Curve())
        if not known.reaches(step):
            known = self.known[attempt] = self._learner(attempt).learn(step)
            self._keep(attempt, known)
        return known.until(step)

    def forget(self) -> None:
        """Let go of the networks; their curves stay."""
        self.learners.clear()

    def _learner(self, attempt: Attempt) -> Learner:
        if attempt not in self.learners:
            self.learners[attempt] = Learner(attempt, self.problem, self.goal)
        return self.learners[attempt]

    def _keep(self, attempt: Attempt, curve: Curve) -> None:
        if self.path:
            with self.path.open("a") as file:
                file.write(to_line(attempt, curve) + "\n")


def to_line(attempt: Attempt, curve: Curve) -> str:
    """A curve as a line of JSON."""
    return json.dumps(asdict(attempt) | asdict(curve))


def from_line(line: str) -> tuple[Attempt, Curve]:
    """What `to_line` wrote."""
    content: dict[str, Any] = json.loads(line)
    points = tuple(Point(*each) for each in content.pop("points"))
    curve = Curve(points, content.pop("is_over"))
    setting = Setting(**content.pop("setting"))
    return Attempt(setting=setting, **content), curve


def accumulated_step(
    model: nn.Module, optimizer: Optimizer, train: DeviceSplit, rows: Tensor
) -> float:
    """A step on a batch of any size, in chunks; the gradient is of the mean loss.

    Args:
        model: The network.
        optimizer: Its optimizer.
        train: Where the examples are.
        rows: Which of them.

    Returns:
        The mean loss.
    """
    optimizer.zero_grad()
    total = torch.zeros((), device=train.labels.device)
    for part in rows.split(CHUNK):
        inputs, labels = train.take(part)
        loss = F.cross_entropy(model(inputs), labels) * (len(part) / len(rows))
        loss.backward()
        total += loss.detach()
    optimizer.step()
    return float(total)


@torch.no_grad()
def accuracy_on(model: nn.Module, split: DeviceSplit) -> float:
    """Share of a split's examples that a network gets right."""
    model.eval()
    logits = [model(inputs) for inputs in split.in_order(TEST_CHUNK)]
    return int((torch.cat(logits).argmax(-1) == split.labels).sum()) / len(split)


def endless(train: DeviceSplit, batch_size: int, seed: int) -> Iterator[Tensor]:
    """Rows of batch after batch, epoch after epoch."""
    for epoch in count():
        yield from epoch_rows(len(train), batch_size, seed, epoch, train.labels.device)


def steps_per_epoch(problem: Problem, batch_size: int) -> int:
    """Batches of an epoch, the last of which may be smaller."""
    return len(batch_sizes(len(problem.train), batch_size))


def evaluation_interval(problem: Problem, batch_size: int) -> int:
    """Steps from one look at the test set to the next: half an epoch's."""
    return math.ceil(steps_per_epoch(problem, batch_size) / 2)


def warm_up(num_steps: int) -> Callable[[int], float]:
    """Factor of the learning rate by step: up to one in equal steps."""
    return lambda step: min(1.0, (step + 1) / num_steps)


def clock(device: torch.device) -> float:
    """Seconds: of the processor on a CPU, which others may use, else of the wall."""
    synchronise(device)
    return time.process_time() if device.type == "cpu" else time.perf_counter()

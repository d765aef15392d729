"""The methods: how each learns a task, and what it keeps of it.

All begin with the same weights and see the same batches. The learning rate falls to
zero along a cosine within each task; optimizers begin anew with each.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own idiom
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from trainers.continual.penalty import Penalty, diagonal_fisher
from trainers.continual.settings import ContinualSettings
from trainers.continual.tasks import TaskStream
from trainers.predict import DivergedError
from trainers.runs import replacing
from trainers.schedules import cosine
from trainers.steps import train_step
from vogn_app import VOGN, GaussianPosterior

# Told after each step, and after each epoch with its mean loss and accuracy.
OnStep = Callable[[], None]
OnEpoch = Callable[[int, float, float], None]
_LABELS = 2**42  # keeps the generator of EWC's labels apart from those of batches


def build_network(num_inputs: int, hidden: tuple[int, ...], classes: int) -> nn.Module:
    """An MLP with ReLU, one head for all tasks, from torch's global generator."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise((num_inputs, *hidden)):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(hidden[-1], classes))


class Learner(ABC):
    """One method, and the network that it teaches.

    Args:
        stream: The tasks.
        settings: Of the run.
    """

    joint = False  # whether a task is learned together with all before it
    suffix = ".pt"  # of the file of what it keeps

    def __init__(self, stream: TaskStream, settings: ContinualSettings) -> None:
        self.stream, self.settings = stream, settings
        with torch.random.fork_rng():  # the caller's generators stay where they are
            torch.manual_seed(settings.seed)
            network = build_network(
                stream.num_pixels, settings.hidden, stream.num_classes
            )
        self.model = network.to(stream.device)

    def num_steps(self, task: int) -> int:
        """Steps that a task takes."""
        return self.stream.num_steps(task + 1 if self.joint else 1)

    def learn(self, task: int, on_step: OnStep, on_epoch: OnEpoch) -> None:
        """Learn a task, and keep what is to be kept of it.

        Args:
            task: From 0; those before it have been learned.
            on_step: Called after each step.
            on_epoch: Called after each epoch with its number from 0.

        Raises:
            DivergedError: If a loss is not finite.
        """
        optimizer = self._optimizer(task)
        share = partial(_falling, num_steps=self.num_steps(task))
        schedule = LambdaLR(optimizer, share)
        for epoch in range(self.settings.epochs):
            sums = torch.zeros(3, device=self.stream.device)  # loss, right ones, images
            for inputs, labels in self.stream.batches(task, epoch, self.joint):
                loss, correct = self._step(optimizer, inputs, labels)
                schedule.step()
                count = torch.full_like(loss, len(labels))
                sums += torch.stack([loss * count, correct.float(), count])
                on_step()
            total, right, images = sums.tolist()
            if not math.isfinite(total):
                raise DivergedError(f"The training loss diverged in task {task + 1}.")
            on_epoch(epoch, total / images, right / images)
        self._keep(task, optimizer)

    @abstractmethod
    def _optimizer(self, task: int) -> Optimizer:
        """What takes the steps of a task."""

    def _step(
        self, optimizer: Optimizer, inputs: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Mean loss and number of right predictions of one step."""
        return train_step(self.model, optimizer, inputs, labels)

    def _keep(self, task: int, optimizer: Optimizer) -> None:  # noqa: B027
        """Keep what is to be kept of a task that has been learned; the weights are."""

    @torch.no_grad()
    def accuracy(self, task: int) -> float:
        """Share of the test images of a task that are predicted right."""
        right = sum(
            int((self.model(inputs).argmax(-1) == labels).sum())
            for inputs, labels in self.stream.tests(task)
        )
        return right / len(self.stream.test)

    def save(self, path: Path) -> None:
        """Write what goes on with the next task, in one step."""
        with replacing(path) as file:
            torch.save(self._state(), file)

    def load(self, path: Path) -> None:
        """Go back to what `save` wrote."""
        state = torch.load(path, map_location=self.stream.device, weights_only=True)
        self._restore(state)

    def _state(self) -> dict[str, Any]:
        return {"model": self.model.state_dict()}

    def _restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])


class FineTuned(Learner):
    """AdamW, which knows nothing of earlier tasks but the weights it begins with."""

    def _optimizer(self, task: int) -> Optimizer:  # noqa: ARG002
        return AdamW(self.model.parameters(), lr=self._lr, weight_decay=0.0)

    @property
    def _lr(self) -> float:
        return self.settings.lr


class Joint(FineTuned):
    """AdamW on all tasks so far at once: what there is to be had."""

    joint = True


class Consolidated(FineTuned):
    """EWC: AdamW with a pull to the weights of earlier tasks."""

    def __init__(self, stream: TaskStream, settings: ContinualSettings) -> None:
        super().__init__(stream, settings)
        self.penalty = Penalty(settings.ewc_strength)

    @property
    def _lr(self) -> float:
        return self.settings.ewc_lr

    def _step(
        self, optimizer: Optimizer, inputs: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        optimizer.zero_grad()
        logits = self.model(inputs)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        self.penalty.pull(self.model)
        optimizer.step()
        return loss.detach(), (logits.detach().argmax(-1) == labels).sum()

    def _keep(self, task: int, optimizer: Optimizer) -> None:  # noqa: ARG002
        generator = torch.Generator(self.stream.device)
        generator.manual_seed(_LABELS + 128 * self.settings.seed + task)
        fisher = diagonal_fisher(self.model, self.stream.in_order(task), generator)
        self.penalty.add(fisher, self.model)

    def _state(self) -> dict[str, Any]:
        return {**super()._state(), "penalty": self.penalty.state_dict()}

    def _restore(self, state: dict[str, Any]) -> None:
        super()._restore(state)
        self.penalty.load_state_dict(state["penalty"])


class Bayesian(Learner):
    """VOGN: the posterior of one task is the prior of the next.

    What the task's images say of the weights, N s / tau of the posterior's precision,
    counts `prior_strength` times in the prior, as lambda does in EWC and in Generalized
    Variational Continual Learning (Loo, Swaroop and Turner, 2021, arXiv:2011.12328):
    the posterior is handed on at the temperature tau / `prior_strength`. Damping is
    left out of it, since it bounds steps and noise and is no evidence. Both methods
    have such a factor, and need it, since a diagonal knows nothing of correlations.

    It predicts with the posterior mean, as the others do with their weights.
    """

    suffix = ".safetensors"
    posterior: GaussianPosterior | None = None

    def _optimizer(self, task: int) -> Optimizer:
        optimizer = VOGN(
            self.model,
            num_data=len(self.stream.train),
            seed=128 * self.settings.seed + task,
            process_group=None,
            **self.settings.vogn,
        )
        optimizer.set_prior(self.posterior)
        return optimizer

    def _keep(self, task: int, optimizer: Optimizer) -> None:  # noqa: ARG002
        assert isinstance(optimizer, VOGN)
        for group in optimizer.param_groups:  # which takes no further steps
            group["temperature"] /= self.settings.prior_strength
            group["damping"] = 0.0
        self.posterior = optimizer.posterior()

    def save(self, path: Path) -> None:
        """Write the posterior."""
        assert self.posterior is not None
        self.posterior.save(path)

    def load(self, path: Path) -> None:
        """Go back to a posterior."""
        self.posterior = GaussianPosterior.load(path, self.stream.device)
        self.posterior.load_into(self.model)


def _falling(step: int, num_steps: int) -> float:
    return cosine(min(1.0, step / num_steps))


LEARNERS: dict[str, type[Learner]] = {
    "vogn": Bayesian,
    "ewc": Consolidated,
    "adamw": FineTuned,
    "joint": Joint,
}

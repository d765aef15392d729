"""What stochastic-gradient Markov chain Monte Carlo methods share.

A chain of steps with noise whose stationary distribution is near

    exp(-(N mean_loss(w) + delta / 2 |w|^2) / tau),

and cycles of the learning rate by which it visits several modes:

Paper: Zhang, Li, Zhang, Chen, Wilson (2020), "Cyclical Stochastic Gradient MCMC for
Bayesian Deep Learning", arXiv:1902.03932, equation 1 and algorithm 1.

Symbols:
    N      num_data * augmentation_factor   examples the posterior is told of
    delta  prior_precision                  precision of the prior N(0, I / delta)
    tau    temperature                      1 is Bayes' posterior
    beta   exploration                      share of a cycle without noise

Where VOGN's temperature weighs the KL term alone, so that its posterior has the
precision N h / tau + delta, this one tempers likelihood and prior alike, as papers on
cold posteriors do: (N h + delta) / tau. They agree at tau = 1.

Departures from the paper: the lengths of cycles (`vogn_app.optim.cyclic`); weights are
kept evenly over the part of a cycle with noise, where the paper's experiments keep a
few at its end; the first part, without noise, is descent of the same objective.
"""

from abc import abstractmethod
from typing import Any

from torch import Tensor, nn

from .._checks import check_count, check_number, check_positive
from .collecting import Params
from .cyclic import cosine_factor, cycles_for, explores, kept_steps
from .groups import AUTOMATIC, num_effective, resolved
from .keeping import KeepingOptimizer
from .noise import NoiseSource

SEED = "seed"  # key of state_dict()
# What "auto" cycles are, and at least how many steps each has: found on validation data
# of digits and of Fashion-MNIST.
MOST_CYCLES, SHORTEST_CYCLE = 4, 2000
RULES = {"prior_precision": AUTOMATIC["prior_precision"]}  # what "auto" stands for


class MonteCarloOptimizer(KeepingOptimizer):
    """Base of SGLD and SGHMC, which documents the arguments; they say how to move.

    The noise follows from the seed and the number of the step alone, so that it is the
    same on all ranks, and after a training was resumed.
    """

    _planned = (
        *KeepingOptimizer._planned, "cycles", "exploration", "num_kept", "annealed",
    )  # fmt: skip
    _copied = (*KeepingOptimizer._copied, SEED)

    def __init__(
        self,
        model: nn.Module,
        params: Params | None,
        defaults: dict[str, Any],
        *,
        num_steps: int,
        cycles: int | str,
        exploration: float,
        num_kept: int,
        annealed: bool,
        seed: int,
    ) -> None:
        self.cycles = cycles_for(
            cycles, num_steps, most=MOST_CYCLES, shortest=SHORTEST_CYCLE
        )
        self.exploration = check_number(
            "exploration", exploration, minimum=0, maximum=1, open_maximum=True
        )
        self.num_kept = check_count("num_kept", num_kept)
        if not isinstance(annealed, bool):
            raise ValueError(f"annealed must be True or False, got {annealed!r}.")
        self.annealed = annealed
        self.seed = NoiseSource(seed).seed
        super().__init__(
            model,
            params,
            defaults,
            num_steps=num_steps,
            keep_after=kept_steps(num_steps, self.cycles, num_kept, exploration),
        )

    @abstractmethod
    def _move(
        self, members: list[Tensor], group: dict[str, Any], noise: list[Tensor] | None
    ) -> None:
        """Move parameters of a group, which all have gradients; no noise if None."""
        raise NotImplementedError

    def lr_factor(self, step: int) -> float:
        """Share of the learning rate at a step, for `LambdaLR`.

        Args:
            step: Counted from 0.

        Returns:
            Half a cosine from 1 down to 0 in each cycle, 0 after the last of
            `num_steps`; 1 throughout if it is not to be annealed.
        """
        if not self.annealed:
            return 1.0
        return cosine_factor(step, self.num_steps, self.cycles)

    def _update(self) -> None:
        silent = explores(
            self.steps_done, self.num_steps, self.cycles, self.exploration
        )
        source = NoiseSource(self.seed)
        source.begin_at(self.steps_done)
        for group in self.param_groups:
            members = [p for p in group["params"] if p.grad is not None]
            if members:  # torch refuses empty lists
                noise = None if silent else source.normals(members)
                self._move(members, group, noise)

    def _resolved(self, settings: dict[str, Any]) -> dict[str, Any]:
        return resolved(settings, RULES)

    def _check_group(self, group: dict[str, Any]) -> None:
        check_count("num_data", group["num_data"])
        check_positive("augmentation_factor", group["augmentation_factor"])
        for name in ("lr", "prior_precision", "temperature"):
            check_number(name, group[name], minimum=0)

    def _metadata(self) -> dict[str, str | int | float]:
        group = self.param_groups[0]
        return {
            **super()._metadata(),
            "num_data": group["num_data"],
            "augmentation_factor": float(group["augmentation_factor"]),
            "prior_precision": float(group["prior_precision"]),
            "temperature": float(group["temperature"]),
        }

    def _own_state(self) -> dict[str, Any]:
        return {**super()._own_state(), SEED: self.seed}

    def _load_own(self, state: dict[str, Any]) -> None:
        for ours, theirs in zip(self.param_groups, state["param_groups"], strict=True):
            if theirs["num_data"] != ours["num_data"]:
                raise ValueError(
                    f"num_data must be {ours['num_data']} in the state to load, got "
                    f"{theirs['num_data']!r}."
                )
        super()._load_own(state)
        self.seed = state[SEED]


def prior_share(group: dict[str, Any]) -> float:
    """The number delta / N: the prior's share in the gradient of the mean loss."""
    return float(group["prior_precision"] / num_effective(group))

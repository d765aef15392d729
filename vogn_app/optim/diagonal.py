"""Optimizers at drawn weights whose posterior is N(mu, diag(1 / P)).

What VOGN, IVON and Vadam share: groups whose settings may follow the number of
examples, BatchNorm without noise, draws, the posterior, and states. Each parameter has
averages, of which one gives P by a line.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .._checks import check_choice, check_count, check_number
from ..distributed import Group
from ..likelihoods import Likelihood
from ..posterior import GaussianPosterior
from ..posterior.matching import plain_names
from .groups import (
    AUTOMATIC,
    Prior,
    Rules,
    Setting,
    batch_norm_parameters,
    check_group,
    check_prior,
    plain,
    precision_line,
    prior_of,
    resolved,
    tempered,
)
from .loading import METHOD, check_method, check_names, check_settings, check_shapes
from .sampled import NOISE, NUM_STEPS, Params, SampledOptimizer
from .sampling import perturb

# Keys of a parameter's state.
MOMENTUM, CURVATURE, STEP = "momentum_buffer", "curvature", "step"

Line = tuple[float, float]  # slope and offset of P as a function of the curvature


class DiagonalOptimizer(SampledOptimizer):
    """Base of optimizers with a diagonal posterior; subclasses have the update.

    Args:
        model: The network.
        params: Parameters or groups; None for all that require a gradient.
        settings: Of a group.
        batch_norm: "deterministic" or "sampled".
        num_samples: Weight samples that `step(closure)` draws.
        loss_reduction: "mean" or "sum" over the examples of a batch.
        automatic: Whether the model's own forward and backward passes make blocks.
        process_group: The ranks to train with.
        seed: Seed of the weight noise.
        curvature: "empirical" or "fisher".
        likelihood: What labels are drawn from with the latter.
        curvature_interval: Steps from one refresh of the curvature to the next.

    Raises:
        ValueError: If an argument is out of range, or a parameter is not the model's.
    """

    _method: ClassVar[str]  # its name in states and posteriors
    _rules: ClassVar[Rules] = AUTOMATIC  # what "auto" stands for
    # Keys of a parameter's state: numbers, and what has its shape, at least in float32.
    _counters: ClassVar[tuple[str, ...]] = (STEP,)
    _wide: ClassVar[tuple[str, ...]] = (MOMENTUM, CURVATURE)
    _copied = (*SampledOptimizer._copied, "batch_norm")

    def __init__(
        self,
        model: nn.Module,
        params: Params | None,
        settings: dict[str, Any],
        *,
        batch_norm: str,
        num_samples: int,
        loss_reduction: str,
        automatic: bool,
        process_group: Group,
        seed: int,
        curvature: str = "empirical",
        likelihood: str | Likelihood = "categorical",
        curvature_interval: int = 1,
    ) -> None:
        self.batch_norm = check_choice(
            "batch_norm", batch_norm, ("deterministic", "sampled")
        )
        check_count("num_data", settings["num_data"])
        super().__init__(
            model,
            params,
            {name: plain(value) for name, value in settings.items()},
            num_samples=num_samples,
            loss_reduction=loss_reduction,
            curvature_interval=curvature_interval,
            automatic=automatic,
            process_group=process_group,
            curvature=curvature,
            likelihood=likelihood,
            seed=seed,
        )

    def _start_afresh(self) -> None:
        super()._start_afresh()
        self._mean_of: dict[Tensor, Tensor] = {}  # within blocks

    def _know_parameters(self) -> None:
        super()._know_parameters()
        self._plain = plain_names(self.model)
        self._batch_norm_ids = batch_norm_parameters(self.model)

    # --- groups -----------------------------------------------------------------------

    def _check(self, group: dict[str, Any]) -> None:
        """Check the settings of a group; subclasses have more."""
        start = group["initial_curvature"]
        check_number("initial_curvature", start, minimum=0, open_minimum=True)
        check_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, as in any torch optimizer; its settings are checked.

        Parameters with a prior precision of their own go to groups of their own, and so
        do those of BatchNorm, without noise and prior, when `batch_norm` is
        "deterministic". Schedulers that take a list need an entry for each of
        `param_groups`.

        Args:
            param_group: `{"params": ..., setting: value, ...}`.

        Raises:
            ValueError: If a setting is out of range or a parameter is not the model's.
        """
        self._know_parameters()  # modules may be newer than the optimizer
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        named = [self._named(parameter) for parameter in params]
        rest = {k: plain(v) for k, v in param_group.items() if k != "params"}
        prior = rest.pop("prior_precision", self.defaults["prior_precision"])
        # A mapping for all groups may have keys that fit others than this one.
        own = "prior_precision" in param_group
        names = [name for name, _ in named] if own else list(self._names.values())
        check_prior(prior, [self._plain[name] for name in names])
        parts = self._split(named, prior)
        whole = [{**self.defaults, **rest, **own} for own, _ in parts]
        whole = [resolved(settings, self._rules) for settings in whole]
        for settings in whole:
            self._check(settings)
        self._check_new([parameter for _, parameter in named])
        for settings, (_, members) in zip(whole, parts, strict=True):
            known = [(self._plain[name], parameter) for name, parameter in members]
            super().add_param_group({**settings, "params": known})
        self._forget_parameters()

    def _check_new(self, parameters: list[nn.Parameter]) -> None:
        held = {id(p) for group in self.param_groups for p in group["params"]}
        if any(id(parameter) in held for parameter in parameters):
            raise ValueError(
                "params must be in one group, got some in more than one parameter "
                "group."
            )

    def _split(
        self, named: list[tuple[str, nn.Parameter]], prior: Prior
    ) -> list[tuple[dict[str, Any], list[tuple[str, nn.Parameter]]]]:
        """Members that share their settings, with the settings."""
        parts: dict[tuple[bool, Setting], list[tuple[str, nn.Parameter]]] = {}
        for name, parameter in named:
            silent = self._is_silent(parameter)
            own = 0.0 if silent else prior_of(self._plain[name], prior)
            parts.setdefault((silent, own), []).append((name, parameter))
        return [
            ({"prior_precision": own, **({"sampled": False} if silent else {})}, each)
            for (silent, own), each in parts.items()
        ]

    def _is_silent(self, parameter: Tensor) -> bool:
        """Whether it is a BatchNorm's that has neither noise nor prior."""
        norm = id(parameter) in self._batch_norm_ids
        return norm and self.batch_norm == "deterministic"

    def _tempered_groups(self) -> list[dict[str, Any]]:
        return [tempered(group, self.num_steps) for group in self.param_groups]

    # --- draws ------------------------------------------------------------------------

    def _perturb(self) -> Callable[[], None]:
        """Add noise to the sampled parameters; returns what undoes it exactly."""
        draws = []
        for group in self._tempered_groups():
            lines: dict[Line, list[Tensor]] = {}
            for p in self._sampled_members(group):
                lines.setdefault(self._line(p, group), []).append(p)
            for line, members in lines.items():
                curvatures = [self._curvature(p, group) for p in members]
                draws.append((members, curvatures, line))
        return perturb(draws, self._noise, self._means, self._mean_of)

    def _sampled_members(self, group: dict[str, Any]) -> list[Tensor]:
        """Parameters with a posterior: not frozen ones that were never trained."""
        if not group["sampled"]:
            return []
        return [p for p in group["params"] if self._has_noise(p, group)]

    def _has_noise(self, parameter: Tensor, group: dict[str, Any]) -> bool:
        return parameter.requires_grad or bool(self._state(parameter, group)[STEP])

    def _state(self, parameter: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        state: dict[str, Any] = self.state[parameter]
        if not state:
            with torch.inference_mode(False), torch.no_grad():  # to be changed later
                state.update(dict.fromkeys(self._counters, 0))
                # Averages stand still in half precision, and N s exceeds float16.
                wide = torch.promote_types(parameter.dtype, torch.float32)
                state[MOMENTUM] = torch.zeros_like(parameter, dtype=wide)
                start = self._first_curvature(group)
                state[CURVATURE] = torch.full_like(parameter, start, dtype=wide)
        return state

    @abstractmethod
    def _first_curvature(self, group: dict[str, Any]) -> float:
        """What the average of a parameter's curvature begins with."""
        raise NotImplementedError

    def _curvature(self, parameter: Tensor, group: dict[str, Any]) -> Tensor:
        """What gives the precision of draws: the average."""
        curvature: Tensor = self._state(parameter, group)[CURVATURE]
        return curvature

    def _line(self, parameter: Tensor, group: dict[str, Any]) -> Line:  # noqa: ARG002
        """How it does."""
        return precision_line(group)

    def _precision(self, parameter: Tensor, group: dict[str, Any]) -> Tensor:
        slope, offset = self._line(parameter, group)
        return self._curvature(parameter, group) * slope + offset

    def _prior_precision(self, parameter: Tensor, group: dict[str, Any]) -> float:  # noqa: ARG002
        """What a posterior says of the isotropic prior."""
        return float(group["prior_precision"])

    # --- the posterior ----------------------------------------------------------------

    @torch.no_grad()
    def posterior_precision(self) -> dict[str, Tensor]:
        """Precision P of every sampled parameter, by name; new tensors."""
        return {
            self._names[id(p)]: self._precision(p, group)
            for group in self._tempered_groups()
            for p in self._sampled_members(group)
        }

    @torch.no_grad()
    def posterior(self) -> GaussianPosterior:
        """The posterior as it is now, to predict with, to report on and to save.

        Returns:
            A copy, which later steps leave alone and which needs no optimizer. Names
            are those in the model within wrappers.

        Raises:
            RuntimeError: If called inside a block, where the weights are a draw.
        """
        if self._blocks is not None:
            self._blocks.give_up()
        if self._inside:
            raise RuntimeError("posterior must be called outside sampled_params.")
        priors = {
            self._names[id(p)]: self._prior_precision(p, group)
            for group in self.param_groups
            for p in self._sampled_members(group)
        }
        return GaussianPosterior.from_model(
            self.model,
            self.posterior_precision(),
            prior_precision=priors,
            metadata=self._metadata(),
        )

    def _metadata(self) -> dict[str, str | int | float]:
        group = tempered(self.param_groups[0], self.num_steps)
        return {
            "method": self._method,
            "num_data": group["num_data"],
            "augmentation_factor": float(group["augmentation_factor"]),
            "temperature": float(group["temperature"]),
            "damping": float(group["damping"]),
            "num_steps": self.num_steps,
        }

    @torch.no_grad()
    def mean_deviation(self) -> Tensor:
        """Posterior standard deviation averaged over all sampled weights, a scalar."""
        each = [p.rsqrt().flatten() for p in self.posterior_precision().values()]
        if not each:
            return torch.zeros(())
        device = each[0].device
        return torch.cat([deviations.to(device) for deviations in each]).mean()

    # --- state ------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """State, groups and position of the noise; read with `weights_only=True`."""
        return {**super().state_dict(), METHOD: self._method}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` gave.

        Args:
            state_dict: From an optimizer with the same groups and `num_data`.

        Raises:
            ValueError: If groups, shapes or `num_data` differ.
        """
        self._check_method(state_dict)
        pairs = zip(self.param_groups, state_dict["param_groups"], strict=False)
        for ours, theirs in pairs:
            if theirs.get("num_data") != ours["num_data"]:
                raise ValueError(
                    f"num_data must be {ours['num_data']} in the state to load, "
                    f"got {theirs.get('num_data')!r}."
                )
        check_settings(self.param_groups, state_dict, self.defaults)
        check_names(self.param_groups, state_dict)
        check_shapes(self.param_groups, state_dict, self._wide)
        super().load_state_dict(state_dict)
        self._widen(state_dict)

    def _check_method(self, state_dict: dict[str, Any]) -> None:
        """Check that a state to load is one of ours."""
        wanted = (METHOD, "state", "param_groups", NOISE, NUM_STEPS)
        check_method(self._method, state_dict, wanted)

    def _widen(self, state_dict: dict[str, Any]) -> None:
        """Put averages back that torch has rounded to their parameter's type."""
        ids = [i for group in state_dict["param_groups"] for i in group["params"]]
        for parameter, i in zip(self._parameters(), ids, strict=True):
            wide = torch.promote_types(parameter.dtype, torch.float32)
            if wide != parameter.dtype and i in state_dict["state"]:
                saved = state_dict["state"][i]
                for key in saved.keys() & set(self._wide):
                    moved = saved[key].to(parameter.device, wide, copy=True)
                    self.state[parameter][key] = moved

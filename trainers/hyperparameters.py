"""What an optimizer takes: numbers, switches and choices that check themselves.

Torch-free data; `trainers.catalogue` has them for every optimizer.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

AUTO = "auto"  # a value that the optimizer derives from the number of examples

# What kind of method an optimizer is; `trainers.kinds` says what each gives and costs.
Kind = Literal[
    "variational", "sampling", "ensembles", "post_hoc", "natural", "first_order"
]


@dataclass(frozen=True, kw_only=True)
class HyperParameter:
    """One number, switch or choice that an optimizer takes.

    Args:
        name: Keyword of the optimizer's constructor.
        kind: Type of the value.
        default: Value when none is given.
        help: One line for people.
        minimum: Smallest allowed value; itself excluded when `open_minimum`.
        maximum: Largest allowed value; itself excluded when `open_maximum`.
        open_minimum: Whether `minimum` itself is excluded.
        open_maximum: Whether `maximum` itself is excluded.
        unit: What the number counts, "" for pure numbers.
        choices: The allowed values of a "choice".
        automatic: What "auto" stands for, where the value may be left to that; "" else.
    """

    name: str
    kind: Literal["float", "int", "bool", "choice"]
    default: float | int | bool | str
    help: str
    minimum: float = -math.inf
    maximum: float = math.inf
    open_minimum: bool = False
    open_maximum: bool = False
    unit: str = ""
    choices: tuple[str, ...] = ()
    automatic: str = ""

    @property
    def condition(self) -> str:
        """The allowed values in words, such as `in [0, 1)`."""
        automatic = f", or {AUTO} for {self.automatic}" if self.automatic else ""
        return self._own_condition() + automatic

    def _own_condition(self) -> str:
        if self.kind == "bool":
            return "true or false"
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        number = "a whole number" if self.kind == "int" else "a number"
        left, right = "(["[not self.open_minimum], ")]"[not self.open_maximum]
        if math.isinf(self.maximum):
            if math.isinf(self.minimum):
                return number
            sign = ">" if self.open_minimum else ">="
            return f"{number} {sign} {self.minimum:g}"
        return f"{number} in {left}{self.minimum:g}, {self.maximum:g}{right}"

    def validated(self, value: Any) -> float | int | bool | str:
        """Return `value` as this hyper-parameter's type.

        Args:
            value: Anything, typically from JSON, a form or the command line.

        Returns:
            The value as float, int, bool or str; "auto" for None where that is allowed.

        Raises:
            ValueError: If the value has the wrong type or is out of range.
        """
        converted = self._converted(value)
        if converted is None or not self._in_range(converted):
            raise ValueError(f"{self.name} must be {self.condition}, got {value!r}.")
        return converted

    def _converted(self, value: Any) -> float | int | bool | str | None:
        if self.automatic and value in (None, AUTO):
            return AUTO
        if self.kind == "bool":
            words = {"true": True, "false": False}
            value = words.get(value.lower()) if isinstance(value, str) else value
            return value if isinstance(value, bool) else None
        if self.kind == "choice":
            return value if value in self.choices else None
        if isinstance(value, bool):
            return None
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            return None
        if self.kind == "int":
            return int(number) if number.is_integer() else None
        return number if math.isfinite(number) else None

    def _in_range(self, value: float | int | bool | str) -> bool:
        if isinstance(value, bool | str):
            return True
        above = value > self.minimum if self.open_minimum else value >= self.minimum
        below = value < self.maximum if self.open_maximum else value <= self.maximum
        return above and below


@dataclass(frozen=True, kw_only=True)
class OptimizerSpec:
    """An optimizer: what it is and what it takes.

    Args:
        name: What the command line calls it.
        title: What people call it.
        summary: What it gives, in a sentence.
        paper: Where it comes from.
        bayesian: Whether it learns a distribution over the weights.
        hyperparameters: All that it takes, the most wanted first.
        damped_by: Hyper-parameters of which one must be > 0, most wanted first.
        family: Its kind, by which long lists of optimizers are arranged.
        own_schedule: Whether it makes its learning rate by itself, whatever the
            schedule of the training.
        draws: Hyper-parameter that says of how many networks its posterior consists,
            each of which is one draw; "" where draws have noise.
        components: Hyper-parameter that says of how many distributions its posterior
            consists, which draws are taken from in turn; "" of one.
    """

    name: str
    title: str
    summary: str
    paper: str
    bayesian: bool
    hyperparameters: tuple[HyperParameter, ...]
    damped_by: tuple[str, ...] = ()
    family: Kind | Literal[""] = ""
    own_schedule: bool = False
    draws: str = ""
    components: str = ""

    @property
    def keeps_velocity(self) -> bool:
        """Whether its momentum weighs a sum of steps, and may follow a schedule."""
        return VELOCITY in self.hyperparameters and not self.own_schedule

    def num_draws(self, values: Mapping[str, Any], wanted: int) -> int:
        """How many draws from its posterior are taken, as the posterior will say.

        Args:
            values: All hyper-parameters by name.
            wanted: How many are asked for.

        Returns:
            As many, rounded up so that all components count alike; of networks each
            once, and `wanted` where their number depends on the training.
        """
        if self.components:
            components = int(values[self.components])
            return -(-wanted // components) * components
        networks = values[self.draws] if self.draws else AUTO
        return wanted if networks == AUTO else int(networks)

    def defaults(self) -> dict[str, float | int | bool | str]:
        """The default of every hyper-parameter by name."""
        return {item.name: item.default for item in self.hyperparameters}

    def validated(
        self, values: Mapping[str, Any]
    ) -> dict[str, float | int | bool | str]:
        """Return all hyper-parameters: `values` checked, the rest by default.

        Args:
            values: Hyper-parameters by name; may be incomplete.

        Returns:
            A complete dictionary in the catalogue's order.

        Raises:
            ValueError: If a name is unknown or a value is out of range.
        """
        known = {item.name: item for item in self.hyperparameters}
        for name in values:
            if name not in known:
                raise ValueError(
                    f"hyper-parameter of {self.name} must be one of "
                    f"{', '.join(known)}, got {name!r}."
                )
        found = {
            name: item.validated(values.get(name, item.default))
            for name, item in known.items()
        }
        if self.damped_by and not any(found[name] for name in self.damped_by):
            first, *others = self.damped_by
            raise ValueError(
                f"{first} must be > 0 when {' and '.join(others)} is 0, got 0."
            )
        if found.get("nesterov") and not found["momentum"]:
            raise ValueError("momentum must be > 0 with nesterov, got 0.")
        return found


def learning_rate(default: float, help_text: str) -> HyperParameter:
    """The learning rate of an optimizer that has one of its own by default."""
    return HyperParameter(
        name="lr", kind="float", default=default, help=help_text, minimum=0.0,
        maximum=1e6, open_minimum=True,
    )  # fmt: skip


VELOCITY = HyperParameter(
    name="momentum", kind="float", default=0.9, minimum=0.0, maximum=1.0,
    open_maximum=True, help="Weight of the past velocity.",
)  # fmt: skip
NESTEROV = HyperParameter(
    name="nesterov", kind="bool", default=False, help="Look ahead along the velocity."
)

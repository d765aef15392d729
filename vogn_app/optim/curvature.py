"""The statistics of all blocks, when they are refreshed, and their inverses."""

import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from ..curvature.functional import listed
from ..curvature.kronecker.blocks import OUTPUTS, Block, KroneckerBlock
from ..curvature.kronecker.calls import Key, Use
from ..curvature.kronecker.eigen import Eigenbasis
from ..curvature.kronecker.moments import Moment
from ..curvature.kronecker.operators import (
    Inversion,
    Operator,
    apply,
    dampings_of,
    invert,
)
from ..curvature.kronecker.scales import scale_sums
from .conversion import converted
from .cooperation import Cooperation
from .division import Division
from .factors import (
    Factor,
    Factors,
    averaged,
    is_near,
    key_of,
    key_text,
    loaded_factor,
    loaded_moment,
    saved_factor,
    saved_moment,
)
from .figures import Figures
from .refresh import Interval, RefreshPlan, interval_at

Statistics = Mapping[Key, Moment]
SCALES = "scales"  # what warnings call EKFAC's, where others have a side


class Verdict(NamedTuple):
    """What is to be said of a new statistic.

    Args:
        finite: Whether all its numbers are.
        near: Whether it is near the last one.
        near_before: Whether it is near the one before that.
    """

    finite: bool
    near: bool = False
    near_before: bool = False


@final
class Curvature:
    """Averages of statistics, and the inverses made of them.

    Args:
        blocks: The blocks by name.
        plan: When statistics are refreshed.
        decay: Weight of the past in their averages, in [0, 1).
        inverse_interval: Steps between inversions; None inverts what is refreshed.
        inversion: How factors are inverted.
    """

    def __init__(
        self,
        blocks: Mapping[str, Block],
        plan: RefreshPlan,
        decay: float,
        inverse_interval: Interval | None,
        inversion: Inversion = "cholesky",
    ) -> None:
        self.blocks, self.plan, self.decay = blocks, plan, decay
        self.inversion = inversion
        self.inverse_interval = inverse_interval
        if inverse_interval is not None:
            interval_at("inverse_interval", inverse_interval, 0)
        self.keys = [(b.name, side) for b in blocks.values() for side in b.sides]
        self.num_inverted = 0  # statistics that this process has inverted
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.factors = Factors()
        self.inverses: dict[Key, Operator] = {}
        self.known: set[Key] = set()  # refreshed at least once, on some rank
        self.stale: set[Key] = set()  # refreshed since they were inverted
        self.next_inverse = 0
        self._troubled: set[Key] = set()  # what went wrong the last time
        self.scales: dict[str, Factor] = {}  # EKFAC's, by block
        self._seen: dict[Key, list[Moment]] = {}  # the last two, where compared

    def due(self, step: int) -> list[Key]:
        """Statistics that a step refreshes."""
        due = self.plan.due(self.keys, step)
        return [key for key in self.keys if key in due]

    def judge(self, new: Statistics) -> dict[Key, Verdict]:
        """Look at new statistics before they are taken; the host waits once."""
        flags = [torch.stack(self._flags(key, moment)) for key, moment in new.items()]
        if not flags:
            return {}
        rows = torch.stack(flags).tolist()
        return {key: Verdict(*row) for key, row in zip(new, rows, strict=True)}

    def _flags(self, key: Key, new: Moment) -> list[Tensor]:
        finite = new.value.sum().isfinite()
        limit = self.plan.staleness
        if limit is None:
            return [finite]
        near = [is_near(new, old, limit) for old in self._seen.get(key, [])]
        nothing = torch.zeros_like(finite)
        return [finite, *near, nothing, nothing][:3]

    def take(self, new: Statistics, verdicts: Mapping[Key, Verdict], step: int) -> None:
        """Put new statistics into the averages.

        Args:
            new: Those that this process holds, each a mean.
            verdicts: On all that the step refreshed.
            step: Number of the step.
        """
        bad = [key for key, verdict in verdicts.items() if not verdict.finite]
        self._warn(f"not finite and left out at step {step}", bad, verdicts)
        good = verdicts.keys() - set(bad)
        taken = {key: moment for key, moment in new.items() if key in good}
        if self.plan.staleness is not None:
            for key, moment in taken.items():
                self._seen[key] = [moment, *self._seen.get(key, [])][:2]
        self.factors.take(taken, self.decay, step)
        for key in good:
            _, near, near_before = verdicts[key]
            self.plan.refreshed(key, step, near, near_before)
        self.known |= good
        self.stale |= good

    def invert(
        self, step: int, damping: float, cooperation: Cooperation, figures: Figures
    ) -> None:
        """Invert what was refreshed when it is time, and at once what never was."""
        timely = step >= self.next_inverse
        wanted = self.stale if timely else self.stale - self.inverses.keys()
        if not wanted:
            return
        keys = [k for k in self.keys if k in wanted and self._is_whole(k[0])]
        with figures.timing():
            self._invert(keys, damping, cooperation)
        self.stale -= set(keys)  # the others wait for their block's other side
        if timely and self.inverse_interval is not None:
            wait = interval_at("inverse_interval", self.inverse_interval, step)
            self.next_inverse = step + wait

    def _invert(
        self, ready: Sequence[Key], damping: float, cooperation: Cooperation
    ) -> None:
        means = {key: factor.mean for key, factor in self.factors.present.items()}
        dampings: dict[Key, Tensor] = {}
        for name in dict.fromkeys(name for name, _ in ready):
            block = self.blocks[name]
            if all((name, side) in means for side in block.sides):
                each = dampings_of(block, means, damping, self.inversion)
                dampings |= {(name, side): value for side, value in each.items()}
        shared = self._inverted(ready, means, dampings, cooperation)
        failed = [key for key, inverse in shared.items() if inverse is None]
        self._warn("not inverted: the last inverses stay", failed, shared)
        for key, inverse in shared.items():
            if inverse is not None:
                self.inverses[key] = inverse
                if key in means:
                    self.factors.inverted[key] = means[key]
                    self.factors.dampings[key] = dampings[key]

    def _inverted(
        self,
        keys: Sequence[Key],
        means: Statistics,
        dampings: Mapping[Key, Tensor],
        cooperation: Cooperation,
    ) -> dict[Key, Operator | None]:
        """Inverses, each made by one process."""
        mine = [key for key in keys if cooperation.inverts(key[0])]
        self.num_inverted += len(mine)
        own = invert(mine, means, dampings, self.inversion)
        return cooperation.share_inverses(keys, own)

    def _is_whole(self, name: str) -> bool:
        return all((name, side) in self.known for side in self.blocks[name].sides)

    def _warn(self, what: str, keys: Collection[Key], tried: Collection[Key]) -> None:
        """Say what went wrong, once until it goes well again."""
        news = [key for key in keys if key not in self._troubled]
        self._troubled = (self._troubled - set(tried)) | set(keys)
        if news:
            names = listed([f"{side} of {name}" for name, side in sorted(news)])
            warnings.warn(f"Statistics are {what}: {names}.", stacklevel=6)

    def apply(
        self, name: str, matrix: Tensor, operators: Mapping[str, Operator]
    ) -> Tensor:
        """A block's matrix times its inverses."""
        block = self.blocks[name]
        damping = self.factors.dampings[name, block.sides[0]]
        scales = self.scales[name].mean.value if name in self.scales else None
        return apply(block, matrix, operators, damping, scales)

    def measure(
        self,
        keys: Sequence[Key],
        uses: Sequence[Use],
        factor: float | Tensor,
        cooperation: Cooperation,
        step: int,
    ) -> None:
        """Take EKFAC's scales of a step that has refreshed statistics.

        Args:
            keys: Statistics that took part, on any process.
            uses: Calls of linear maps in this step.
            factor: Turns sums of squared contributions of this process into what it
                adds to their mean.
            cooperation: Sums over the processes.
            step: Number of the step.
        """
        blocks = self._scaled_blocks(keys)
        bases = {name: self._bases(block) for name, block in blocks.items()}
        known = {name: each for name, each in bases.items() if each}
        if known:
            sums = scale_sums(uses, blocks, known)
            own = {name: value * factor for name, value in sums.items()}
            new = cooperation.summed_scales(own, list(known))
            self._take_scales(new, step)

    def _scaled_blocks(self, keys: Iterable[Key]) -> dict[str, KroneckerBlock]:
        """Blocks whose contributions took part, and were not left out."""
        trouble = {name for name, side in self._troubled if side != SCALES}
        names = [name for name, side in keys if side == OUTPUTS and name not in trouble]
        every = {name: self.blocks[name] for name in names}
        return {n: b for n, b in every.items() if isinstance(b, KroneckerBlock)}

    def _take_scales(self, new: Mapping[str, Tensor], step: int) -> None:
        """Put new scales into the averages, if finite; the host waits once."""
        if not new:
            return
        flags = torch.stack([value.sum().isfinite() for value in new.values()])
        finite = dict(zip(new, flags.tolist(), strict=True))
        keys = [(name, SCALES) for name in new]
        bad = [key for key in keys if not finite[key[0]]]
        self._warn(f"not finite and left out at step {step}", bad, keys)
        for name, value in new.items():
            if finite[name]:
                moment, before = Moment("diagonal", value, 1), self.scales.get(name)
                self.scales[name] = averaged(before, moment, self.decay, step)

    def _bases(self, block: Block) -> dict[str, Eigenbasis]:
        operators = self.operators_of(block) or {}
        return {k: x for k, x in operators.items() if isinstance(x, Eigenbasis)}

    def operators_of(self, block: Block) -> dict[str, Operator] | None:
        """Inverses by side; None if some were never made."""
        every = {side: self.inverses.get((block.name, side)) for side in block.sides}
        known = {side: each for side, each in every.items() if each is not None}
        return known if len(known) == len(every) else None

    def mean_inverse_interval(self, step: int) -> float:
        """Mean number of steps between inversions, for logs."""
        factor = self.plan.mean_interval(step)
        if self.inverse_interval is None:
            return factor
        return max(factor, interval_at("inverse_interval", self.inverse_interval, step))

    def state_dict(self) -> dict[str, Any]:
        """What this process holds, in plain data and tensors."""
        return {
            "inversion": self.inversion,
            "factors": self.factors.state_dict(),
            "seen": {
                key_text(key): [saved_moment(moment) for moment in last]
                for key, last in self._seen.items()
            },
            "scales": {
                name: saved_factor(factor) for name, factor in self.scales.items()
            },
            "plan": self.plan.state_dict(),
            "known": sorted(self.known),
            "stale": sorted(self.stale),
            "next_inverse": self.next_inverse,
        }

    def load_state_dict(
        self,
        state: Mapping[str, Any],
        likes: Mapping[str, Tensor],
        cooperation: Cooperation,
    ) -> None:
        """Restore what `state_dict` gave, and make its inverses.

        Args:
            state: The state, checked; it may be of another inversion.
            likes: A parameter of each block, whose device and type are wanted.
            cooperation: Shares the inverses.
        """
        self.forget()
        self.factors.load_state_dict(state["factors"], likes)
        for text, last in state["seen"].items():
            key = key_of(text)
            self._seen[key] = [loaded_moment(saved, likes[key[0]]) for saved in last]
        if state["inversion"] == self.inversion:
            saved = state["scales"].items()
            self.scales = {n: loaded_factor(each, likes[n]) for n, each in saved}
        else:
            self._convert(state["inversion"])
        self.plan.load_state_dict(state["plan"])
        self.known = {(name, side) for name, side in state["known"]}
        self.stale = {(name, side) for name, side in state["stale"]}
        self.next_inverse = state["next_inverse"]
        behind, dampings = self.factors.inverted, self.factors.dampings
        made = self._inverted(list(behind), behind, dampings, cooperation)
        self.inverses = {key: x for key, x in made.items() if x is not None}

    def _convert(self, before: Inversion) -> None:
        """Have dampings of our inversion for statistics that another has inverted."""
        known, after = self.factors, self.inversion
        dampings = converted(self.blocks, known.inverted, known.dampings, before, after)
        known.inverted = {key: known.inverted[key] for key in dampings}
        known.dampings = dampings

    def keep(self, held: Callable[[str], bool]) -> None:
        """Keep the statistics of some blocks alone, and all inverses.

        Args:
            held: Whether a block's statistics are kept.
        """
        self._seen = {k: v for k, v in self._seen.items() if held(k[0])}
        self.factors.keep(held)

    def complete(self, division: Division) -> None:
        """Get the statistics of all blocks from the ranks that hold them.

        Args:
            division: What the ranks hold.
        """
        mine = {key: each.mean for key, each in self.factors.present.items()}
        keys = [key for key in self.keys if key in self.known]
        if not keys:  # on no rank
            return
        self.factors.complete(division.given_to_all(keys, mine), division)
        numbers = division.totals([
            len(self._seen.get(key, [])) * division.inverts(key[0]) for key in keys
        ])
        seen: dict[Key, list[Moment]] = {}
        for age in range(2):
            wanted = [k for k, num in zip(keys, numbers, strict=True) if num > age]
            own = {k: last[age] for k, last in self._seen.items() if len(last) > age}
            for key, moment in division.given_to_all(wanted, own).items():
                seen.setdefault(key, []).append(own.get(key, moment))
        self._seen = seen

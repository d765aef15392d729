"""Optimizers whose gradients and squares are taken at drawn weights.

What they share: blocks in which the model has drawn weights and its squares are
recorded, averages over blocks, processes and loss scales, and steps that use them.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .._checks import check_choice, check_count
from ..curvature import FisherPass, SquareCapture
from ..curvature.recording import Recording
from ..distributed import (
    DEFAULT_GROUP,
    Exchange,
    Group,
    Ranks,
    Statistics,
    Weighing,
    check_process_group,
    check_same,
    copy_from_first,
    fingerprint,
    ranks_of,
    wrapper_silenced,
)
from ..likelihoods import Likelihood, likelihood_named
from .automatic import Abandoned, AutomaticBlocks
from .gathered import Block, Gathered, LossScale
from .noise import TRAINING, NoiseSource

Params = Iterable[nn.Parameter] | Iterable[dict[str, Any]]

NOISE, NUM_STEPS = "noise", "num_steps"  # keys of state_dict()


class SampledOptimizer(Optimizer):
    """Base of optimizers that draw the weights; subclasses say how, and the update.

    Args:
        model: The network.
        params: Parameters or groups; None for all that require a gradient.
        defaults: Settings of a group.
        num_samples: Weight samples that `step(closure)` draws.
        loss_reduction: "mean" or "sum" over the examples of a batch.
        curvature_interval: Steps from one refresh of the curvature to the next.
        seed: Seed of the weight noise.
        automatic: Whether the model's own forward and backward passes make blocks.
        process_group: The ranks to train with: "default", a group, or None for none.
        curvature: "empirical" or "fisher": squares at the data's labels, or at labels
            drawn from the model.
        likelihood: What these are drawn from: a name, or an object as `likelihoods`
            says; without effect on empirical curvature.

    Raises:
        ValueError: If an argument is out of range, or a parameter is not the model's.
    """

    # `GradScaler.step` then leaves undoing the scale to us, who need it for squares.
    _step_supports_amp_scaling = True
    # How often what is averaged beside the gradients carries the scale of the loss.
    _power = 2
    # Attributes of a copy; the others follow from the model.
    _copied: tuple[str, ...] = (
        "model", "num_samples", "loss_reduction", "curvature_interval", "automatic",
        "num_steps", "_noise", "curvature", "likelihood",
    )  # fmt: skip

    def __init__(
        self,
        model: nn.Module,
        params: Params | None,
        defaults: dict[str, Any],
        *,
        num_samples: int,
        loss_reduction: str,
        curvature_interval: int,
        seed: int,
        automatic: bool = False,
        process_group: Group = DEFAULT_GROUP,
        curvature: str = "empirical",
        likelihood: str | Likelihood = "categorical",
    ) -> None:
        self.model = model
        self.num_samples = check_count("num_samples", num_samples)
        self.loss_reduction = check_choice(
            "loss_reduction", loss_reduction, ("mean", "sum")
        )
        self.curvature_interval = check_count("curvature_interval", curvature_interval)
        self.curvature = check_choice("curvature", curvature, ("empirical", "fisher"))
        self.likelihood = likelihood_named(likelihood)
        self.automatic = automatic
        self.process_group = check_process_group(process_group)
        self.loss_scale: LossScale | None = None
        self.num_steps = 0
        self._noise = NoiseSource(seed)
        self._start_afresh()
        if params is None:
            params = [p for p in model.parameters() if p.requires_grad]
        groups: Any = list(params)
        super().__init__(groups, defaults)

    @abstractmethod
    def _perturb(self) -> Callable[[], None]:
        """Put a draw into the model; returns what puts the mean back."""
        raise NotImplementedError

    @abstractmethod
    def _update(self, squares: dict[nn.Parameter, Tensor] | None) -> None:
        """Use `.grad` and the squares; these are None between refreshes."""
        raise NotImplementedError

    def _start_afresh(self) -> None:
        self._know_parameters()
        self._capture: SquareCapture | None = None
        self._inside = False
        self._gathered = Gathered()
        self._means: dict[Tensor, Tensor] = {}  # memory for them within blocks
        self._ranks, self._alike = Ranks(), False
        self._exchanges: dict[bool, Exchange] = {}
        if (blocks := vars(self).get("_blocks")) is not None:  # a state was loaded
            blocks.close()
        self._blocks = AutomaticBlocks(self.model, self) if self.automatic else None

    def _know_parameters(self) -> None:
        """Note the model's parameters by name."""
        self._names = {id(p): name for name, p in self.model.named_parameters()}

    def _forget_parameters(self) -> None:
        """Parameters were added: what is known of their number is out of date."""
        self._capture, self._exchanges, self._alike = None, {}, False

    def __getstate__(self) -> dict[str, Any]:
        """What a copy needs; copy model and optimizer in one `copy.deepcopy`."""
        own = {name: vars(self)[name] for name in self._copied}
        # A group of processes cannot be copied, and its copy must not talk to others.
        alone = not isinstance(self.process_group, str)
        group = None if alone else self.process_group
        return {**own, "process_group": group, **super().__getstate__()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Not to be copied, but kept when a state is loaded.
        self.loss_scale = vars(self).get("loss_scale")
        super().__setstate__(state)
        self._start_afresh()

    def _named(self, parameter: Any) -> tuple[str, nn.Parameter]:
        parameter = parameter[1] if isinstance(parameter, tuple) else parameter
        if id(parameter) not in self._names:
            raise ValueError(
                "params must be parameters of the model, got one that is not, of shape "
                f"{tuple(getattr(parameter, 'shape', ()))}."
            )
        name = self._names[id(parameter)]
        if parameter.is_complex():
            raise ValueError(f"params must be real, got {name} of {parameter.dtype}.")
        return name, parameter

    @property
    def capture(self) -> SquareCapture:
        """The record of per-example squares; `capture.coverage()` tells the rules."""
        if self._capture is None:
            parameters = {
                self._names[id(p)]: p
                for group in self.param_groups
                for p in group["params"]
            }
            self._capture = SquareCapture(self.model, parameters)
        return self._capture

    @contextmanager
    def sampled_params(
        self, train: bool = False, loss_scale: LossScale | None = None
    ) -> Iterator[None]:
        """Put one draw from the posterior into the model for the block.

        The mean is back bit for bit afterwards, also after an exception, in which case
        what the block had gathered is dropped.

        Args:
            train: Whether the block runs forward and backward passes whose gradients
                and squares `step()` is to use. Losses that are backpropagated in one
                block must together be the mean (or sum) over its examples; calls of the
                model before one backward pass are views of the same examples. Several
                blocks before a step are averaged by their numbers of examples, be they
                samples of the weights or micro-batches. After the block `.grad` holds
                the average so far, so it can be clipped or inspected.
            loss_scale: Number or `GradScaler` that the loss is multiplied by. Needed if
                you call `scaler.unscale_(optimizer)`; `scaler.step(optimizer)` alone
                tells the scale by itself. `.grad` keeps the scale.

        Yields:
            Nothing.

        Raises:
            RuntimeError: If blocks are nested.
            UnsupportedLayerError: If exact squares cannot be had for some parameter.
        """
        with (
            self._drawn(train) as before,
            self._gathering(before, loss_scale) if train else nullcontext(),
        ):
            yield

    def _automatic_block(
        self, called: nn.Module
    ) -> AbstractContextManager[None] | None:
        """A block that a call has begun; None within one of the user's."""
        return None if self._inside else self._own_block(called)

    def _has_gradients(self) -> bool:
        return any(p.grad is not None for p in self._parameters())

    @contextmanager
    def _own_block(self, called: nn.Module) -> Iterator[None]:
        try:
            with (
                self._drawn(train=True) as before,
                self._gathering(before, None, together=True, called=called),
            ):
                yield
        except Abandoned:
            return

    @contextmanager
    def _drawn(self, train: bool) -> Iterator[list[Tensor | None]]:
        """Put a draw into the model for the context; gives gradients before it."""
        if self._blocks is not None:
            self._blocks.give_up()
        if self._inside:
            raise RuntimeError("sampled_params must not be nested.")
        if train:
            self._meet_ranks()
            self._noise.begin_training(self._ranks.rank, self._ranks.size)
        else:
            self._noise.begin_prediction()
        parameters = self._parameters()
        before = [parameter.grad for parameter in parameters]
        restore = self._perturb()
        self._inside = True
        try:
            yield before
        except BaseException:
            for parameter, gradient in zip(parameters, before, strict=True):
                parameter.grad = gradient
            raise
        finally:
            self._inside = False
            restore()

    def _meet_ranks(self) -> None:
        """See who takes part, and begin from the same weights."""
        ranks = ranks_of(self.process_group, self.model)
        if ranks != self._ranks:
            self._ranks, self._alike, self._exchanges = ranks, False, {}
        if not ranks.several or self._alike:
            return
        device = self._parameters()[0].device
        # One rank may have predicted more often than others, as by validating alone.
        noise = self._noise.state_dict()
        numbers = [self.num_steps, noise["seed"], noise[TRAINING]]
        steps = torch.tensor(numbers, device=device)
        check_same("steps, seed and number of draws", steps, ranks)
        states = [self.state.get(p, {}) for p in self._parameters()]
        values = (state[key] for state in states for key in sorted(state))
        numbers = [fingerprint(values)]
        check_same(
            "the optimizer's state (by its fingerprint)",
            torch.tensor(numbers, device=device),
            ranks,
        )
        copy_from_first(self.model, ranks)
        self._alike = True

    @contextmanager
    def _gathering(
        self,
        before: list[Tensor | None],
        loss_scale: LossScale | None,
        *,
        together: bool = False,
        called: nn.Module | None = None,
    ) -> Iterator[None]:
        """Record what runs in the context, and put it to what was gathered before."""
        for parameter in self._parameters():
            parameter.grad = None
        with ExitStack() as stack:
            if self._ranks.several:
                stack.enter_context(wrapper_silenced(self.model))
            recording = stack.enter_context(self._recording(called))
            if self._ranks.several:
                stack.enter_context(self._sending(recording))
            yield
        scale = self.loss_scale if loss_scale is None else loss_scale
        self._gather(recording, before, scale, together)

    def _recording(self, called: nn.Module | None) -> AbstractContextManager[Recording]:
        labels = FisherPass(self.likelihood, self._noise.labels)
        return self.capture.recording(
            squares=self._refreshes(),
            fisher=labels if self.curvature == "fisher" else None,
            called=called,
        )

    def _sending(self, recording: Recording) -> AbstractContextManager[None]:
        """Begin sums over ranks as the backward pass goes."""
        parameters = self._parameters()
        return self._exchange().overlapping(
            lambda number: self._settled(recording, parameters[number]),
            recording.lone_examples,
            self._weighing(),
        )

    def _exchange(self) -> Exchange:
        squares = self._refreshes()
        if squares not in self._exchanges:
            parameters = self._parameters()
            made = Exchange(parameters, self._ranks, squares=squares)
            self._exchanges[squares] = made
        return self._exchanges[squares]

    def _weighing(self) -> Weighing:
        mean = self.loss_reduction == "mean"
        return Weighing(
            mean=mean, power=0 if self.curvature == "fisher" else self._power
        )

    def _parameters(self) -> list[nn.Parameter]:
        return [p for group in self.param_groups for p in group["params"]]

    def _refreshes(self) -> bool:
        """Whether the step that is being prepared refreshes the curvature."""
        return self.num_steps % self.curvature_interval == 0

    @torch.no_grad()
    def _gather(
        self,
        recording: Recording,
        before: list[Tensor | None],
        loss_scale: LossScale | None,
        together: bool,
    ) -> None:
        """Put a block to what earlier blocks gathered."""
        parameters = self._parameters()
        block = self._averaged(recording)
        if block.num_examples == 0:  # no backward pass in the block
            for parameter, gradient in zip(parameters, before, strict=True):
                parameter.grad = gradient
            return
        if loss_scale is not None:
            block.unscale_squares(loss_scale)
        self._gathered.add(
            parameters, before, block,
            told=block.power == 0 or loss_scale is not None,
            together=together and self.loss_reduction == "mean",
        )  # fmt: skip

    def _averaged(self, recording: Recording) -> Block:
        """Means over the examples of a block, of all ranks."""
        block = Block(
            [p.grad for p in self._parameters()],
            self._statistics(recording),
            recording.squares.num_examples,
            0 if recording.squares.plain else self._power,
        )
        self._check_counted(block)
        if not self._ranks.several:
            if block.num_examples:
                block.per_example(self.loss_reduction)
            return block
        own = Statistics(block.gradients, block.squares, block.num_examples)
        mean = self._exchange().average(own, self._weighing())
        return Block(mean.gradients, mean.squares, mean.num_examples, block.power)

    def _statistics(self, recording: Recording) -> list[Tensor | None]:
        """What is averaged beside the gradients, of each parameter."""
        sums = recording.squares.sums
        return [sums.get(self._names[id(p)]) for p in self._parameters()]

    def _settled(self, recording: Recording, parameter: nn.Parameter) -> Tensor | None:
        """The same of one parameter while backward runs, once it is final."""
        return recording.settled(self._names[id(parameter)])

    def _check_counted(self, block: Block) -> None:
        """Between refreshes nothing but the model's own calls tells the examples."""
        backward = any(gradient is not None for gradient in block.gradients)
        if backward and block.num_examples == 0 and not self._refreshes():
            raise RuntimeError(
                "curvature_interval must be 1 when the model that the optimizer was "
                f"given is not itself called, got {self.curvature_interval}."
            )

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear gradients, and outside a block the gathered squares with them."""
        if self._blocks is not None:
            self._blocks.settle()
        super().zero_grad(set_to_none=set_to_none)
        # Loops may clear gradients between the passes that make an automatic block.
        if not self._inside or (self._blocks is not None and self._blocks.waits):
            self._forget()

    def _forget(self) -> None:
        self._gathered = Gathered()

    @overload  # type: ignore[override]  # torch says float, and returns tensors
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], Tensor]) -> Tensor: ...
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """Update mean and curvature from what the blocks gathered.

        Args:
            closure: Computes the loss, calls backward and returns the loss; it runs
                `num_samples` times, each with its own draw of the weights.

        Returns:
            The loss averaged over the draws, or None without a closure.

        Raises:
            RuntimeError: If called inside a block, or with nothing gathered.
        """
        if self._blocks is not None:
            self._blocks.give_up()
        if self._inside:
            raise RuntimeError("step must be called outside sampled_params.")
        loss = None if closure is None else self._run_closure(closure)
        if self._gathered.num_examples == 0:
            if closure is not None and loss is None:  # it says to skip the batch
                return None
            way = "inside sampled_params(train=True)"
            way = f"of the model in train mode, or {way}" if self.automatic else way
            raise RuntimeError(f"step must follow a backward pass {way}, got none.")
        if self._may_step():
            self._gathered.check_kept({p: p.grad for p in self._parameters()})
            self._update(self._gathered.squares if self._refreshes() else None)
            self.num_steps += 1
        self._forget()
        return loss

    def _may_step(self) -> bool:
        """Undo the scale of the loss; False if a `GradScaler` found overflow."""
        found_inf = getattr(self, "found_inf", None)
        scale = getattr(self, "grad_scale", None)
        if found_inf is not None and bool(found_inf):
            return False
        if scale is not None:
            self._gathered.unscale(self._parameters(), scale)
        elif found_inf is not None and self._gathered.needs_loss_scale():
            raise RuntimeError(
                "loss_scale must be given to sampled_params(train=True) when "
                "scaler.unscale_(optimizer) is called, got None."
            )
        return True

    def _run_closure(self, closure: Callable[[], Tensor]) -> Tensor | None:
        """Run a closure for each sample; gives None if the closure does."""
        # Frameworks run the last micro-batch alone as a closure.
        last = self.automatic and self._gathered.num_examples > 0
        if last and self.num_samples > 1:
            raise RuntimeError(
                "num_samples must be 1 where gradients of micro-batches add up, got "
                f"{self.num_samples}."
            )
        if not last:
            self._forget()
        losses = []
        for _ in range(self.num_samples):
            with self._closure_block(), torch.enable_grad():
                loss: Tensor | float | None = closure()
            if loss is None:
                return None
            losses.append(torch.as_tensor(loss).detach())
        return torch.stack(losses).mean()

    def _closure_block(self) -> AbstractContextManager[None]:
        """A block for a closure, unless its own passes make one.

        A framework's closure may clip the gradients, which has to wait for the end of
        the block.
        """
        alone = self.automatic and self.num_samples == 1
        return nullcontext() if alone else self.sampled_params(train=True)

    def state_dict(self) -> dict[str, Any]:
        """State, groups and position of the noise; read with `weights_only=True`."""
        own = {NOISE: self._noise.state_dict(), NUM_STEPS: self.num_steps}
        return {**super().state_dict(), **own}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` gave; on every rank."""
        super().load_state_dict({
            key: state_dict[key] for key in ("state", "param_groups")
        })
        self._forget()
        self._alike = False
        if NOISE in state_dict:
            self._noise.load_state_dict(state_dict[NOISE])
        self.num_steps = state_dict.get(NUM_STEPS, 0)

"""A model as a function of its weights, for one draw of them or for many at once.

It is called through `functional_call`, so its own tensors are never written.

Two ways of running S draws give the same numbers to rounding. "loop" runs the model
once a draw. "vectorised" stacks the weights of many draws and runs them together under
`vmap`: that saves the cost of S calls, and loses where the arithmetic counts, since
batched small products and grouped convolutions are slower than plain ones.
`prefers_vectorised` has the rule of "auto", measured on one CPU core.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from warnings import catch_warnings, filterwarnings

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from .inputs import Batch, output_of
from .matching import check_model, plain_name, unwrap

if TYPE_CHECKING:
    from .base import Posterior

METHODS = ("auto", "vectorised", "loop")
MAX_STACKED_WEIGHTS = 2**21  # of all draws run together; more is slower, out of cache
DENSE_ROWS, OTHER_ROWS = 128, 8  # batches up to which "auto" runs draws together


def prefers_vectorised(model: nn.Module, num_rows: int) -> bool:
    """Whether "auto" runs draws together, as measured to be faster.

    Args:
        model: The network.
        num_rows: Examples in a batch.

    Returns:
        Up to 128 examples where all parameters belong to `nn.Linear`, otherwise (where
        there are convolutions, attention, norms) up to 8.
    """
    owners = [m for m in model.modules() if any(True for _ in m.parameters(False))]
    dense = all(isinstance(module, nn.Linear) for module in owners)
    return num_rows <= (DENSE_ROWS if dense else OTHER_ROWS)


class Network:
    """A model with the weights and buffers of a posterior instead of its own.

    Args:
        posterior: Gives buffers and the weights that have no noise.
        model: The architecture, wrapped or not.
        method: "auto", "vectorised" or "loop".
        num_rows: Examples in a batch.

    Raises:
        ValueError: If the model does not fit the posterior.
    """

    def __init__(
        self,
        posterior: "Posterior",
        model: nn.Module,
        method: str,
        num_rows: int,
    ) -> None:
        check_model(model, posterior.mean, posterior.buffers)
        self._model = unwrap(model)
        own = self._model.named_parameters()
        self._own = {plain_name(name): (name, p) for name, p in own}
        self.device = next(p.device for _, p in self._own.values())
        silent = posterior.mean.keys() - set(posterior.sampled_names)
        self._fixed = self._named({name: posterior.mean[name] for name in silent})
        self._fixed |= self._buffers(posterior.buffers)
        sizes = [posterior.mean[name].numel() for name in posterior.sampled_names]
        self._num_sampled = sum(sizes)
        self._must = method == "vectorised"
        self._together = bool(self._num_sampled) and (
            self._must
            or (method == "auto" and prefers_vectorised(self._model, num_rows))
        )

    @property
    def num_draws(self) -> int:
        """How many draws to ask for at a time, which bounds the memory."""
        if not self._together:
            return 1
        return max(1, MAX_STACKED_WEIGHTS // self._num_sampled)

    def __call__(
        self, draws: dict[str, Tensor], batch: Batch, num_draws: int
    ) -> Tensor:
        """Outputs under draws of the weights.

        Args:
            draws: Sampled weights [S, *shape] by the posterior's names.
            batch: N examples.
            num_draws: S.

        Returns:
            Outputs [S, N, ...].
        """
        weights = self._named(draws)
        if self._together and num_draws > 1:
            try:
                return self._stacked(weights, batch)
            except Exception as error:
                if self._must:
                    error.add_note('method="loop" runs what vmap cannot.')
                    raise
                self._together = False  # the loop says what is wrong, if anything is
        each = ({n: w[s] for n, w in weights.items()} for s in range(num_draws))
        return torch.stack([self._one(weights, batch) for weights in each])

    def _one(self, weights: Mapping[str, Tensor], batch: Batch) -> Tensor:
        tensors = {**self._fixed, **weights}
        result = functional_call(self._model, tensors, batch.args, batch.kwargs)
        return output_of(result)

    def _stacked(self, weights: dict[str, Tensor], batch: Batch) -> Tensor:
        def one(draw: dict[str, Tensor]) -> Tensor:
            return self._one(draw, batch)

        # Fused attention has no batching rule; the plain formula does.
        with sdpa_kernel(SDPBackend.MATH), self._on_slow_rules():
            outputs: Tensor = vmap(one, randomness="error")(weights)
        return outputs

    @contextmanager
    def _on_slow_rules(self) -> Iterator[None]:
        """Where `vmap` would only loop itself, "auto" had better do it."""
        action = "ignore" if self._must else "error"
        with catch_warnings():
            filterwarnings(action, message="There is a performance drop")  # type: ignore[arg-type]
            yield

    def _named(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weights under the model's own names, in its types and on its devices."""
        own = ((*self._own[name], tensor) for name, tensor in weights.items())
        return {name: tensor.to(parameter) for name, parameter, tensor in own}

    def _buffers(self, buffers: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The posterior's buffers, or the model's if they are not persistent.

        Copies: a model may write to its buffers even in eval mode.
        """
        return {
            name: buffers.get(plain_name(name), own).to(own, copy=True)
            for name, own in self._model.named_buffers()
        }

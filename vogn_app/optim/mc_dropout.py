"""MC-dropout: AdamW with dropout, which stays when predicting.

Paper: Gal and Ghahramani (2016), "Dropout as a Bayesian Approximation: Representing
Model Uncertainty in Deep Learning", arXiv:1506.02142, sections 3 and 4.

Training with dropout and weight decay is variational inference with

    q(W) :  W = M diag(z),    z_j in {0, 1 / (1 - rate)},    P(z_j = 0) = rate

for the weight matrix M [outputs, inputs] of a dense layer, so that predicting with
dropout averages over that posterior.

Symbols:
    M     weight matrix of a dense layer, which AdamW trains
    z_j   mask of its j-th input, scaled so that its mean is 1
    rate  probability that an input is dropped

While training every example has a mask of its own, as in `nn.Dropout`, drawn from
torch's global generators. A draw of the posterior is one mask for all examples: a
network. An example by itself sees the same distribution either way, so that averaged
predictions are of the same kind; but only with common masks do predictions of several
examples belong together, as the weights of one network, and is a draw a function.

Departures from the paper:
    1. Dropout is in front of dense layers alone by default, those that follow another
       one; the paper has it in front of every layer with weights. The raw input, and
       features of convolutions, bear it badly.
    2. AdamW's decoupled weight decay stands in for the L2 penalty, whose relation to
       the prior's length scale (equation 7) is then only a rough one.
"""

import weakref
from collections.abc import Iterable
from typing import Any

from torch import nn
from torch.optim import AdamW

from .._checks import check_number
from ..posterior import DropoutPosterior, GaussianPosterior
from .adamw import check_adamw, check_adamw_state
from .collecting import named_params
from .groups import plain
from .input_dropout import InstalledDropout, clear, dense_layers
from .loading import METHOD, check_method

RATES = "rates"  # key of state_dict()


class MCDropout(AdamW):
    """AdamW, and dropout on the inputs of dense layers while the model is training.

    Its loop is that of AdamW. The dropout is put into the model by hooks: nothing is to
    be changed in the network, and eval mode is without it. A model has the dropout of
    the last MCDropout that was made of it. It goes away with the optimizer, or earlier
    by `close()`.

    Args:
        model: The network, with at least one `nn.Linear`. If it is to be compiled, the
            optimizer comes first, or its hooks are not compiled with it.
        lr: Learning rate >= 0; 1e-3.
        betas: Weights of the past in the averages of the gradient and of its square, in
            [0, 1).
        weight_decay: Decoupled weight decay >= 0; 0.01.
        rate: Probability that an input is dropped, in (0, 1); 0.3.
        layers: Which dense layers: names or shell patterns, such as "head" or
            ["blocks.*.fc2", "head"]. By default all but the first one, or the only one.
            Projections of `nn.MultiheadAttention` and tied weights are out of reach.
        params: Parameters or parameter groups, all of them the model's; by default all
            that require a gradient.

    Raises:
        ValueError: If an argument is out of range, a parameter is not the model's, or
            no layer is left.

    State:
        As AdamW's; `state_dict()` adds the rates by name of weight.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 3))
        >>> optimizer = MCDropout(model, rate=0.1)
        >>> x, y = torch.randn(8, 2), torch.randint(3, (8,))
        >>> optimizer.zero_grad()
        >>> nn.functional.cross_entropy(model(x), y).backward()
        >>> optimizer.step()
        >>> probabilities = optimizer.posterior().predict_proba(model, x)
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.01,
        rate: float = 0.3,
        layers: str | Iterable[str] | None = None,
        params: Any = None,
    ) -> None:
        settings: dict[str, Any] = {
            "lr": lr, "betas": betas, "eps": 1e-8, "weight_decay": weight_decay
        }  # fmt: skip
        check_adamw(settings)  # before torch does, in other words
        rate = _checked_rate("rate", rate)
        self.network = model
        self.rates = {_weight(n): rate for n in dense_layers(model, layers)}
        if params is None:
            params = [p for p in model.parameters() if p.requires_grad]
        super().__init__(params, **settings)
        self._install()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, as in any torch optimizer; its settings are checked.

        Args:
            param_group: `{"params": ..., setting: value, ...}`.

        Raises:
            ValueError: If a setting is out of range or a parameter is of another model.
        """
        members = named_params(self.network, param_group["params"])
        own = {k: plain(v) for k, v in param_group.items() if k != "params"}
        settings = {**self.defaults, **own}
        check_adamw(settings)
        super().add_param_group({**settings, **members})

    def _install(self) -> None:
        known = {_weight(n): m for n, m in dense_layers(self.network, ["*"]).items()}
        for layer in known.values():  # also those that only an earlier one dropped
            clear(layer)
        self._dropout = InstalledDropout(
            (known[name], rate) for name, rate in self.rates.items()
        )
        weakref.finalize(self, self._dropout.remove)

    def close(self) -> None:
        """Take the dropout out of the model, for good."""
        self._dropout.remove()

    has_posterior = True

    def posterior(self) -> DropoutPosterior:
        """The weights with a dropout mask each draw, without the optimizer.

        Returns:
            Copies: later steps change nothing in it.
        """
        own = GaussianPosterior.from_model(self.network, {}, prior_precision={})
        return DropoutPosterior(
            mean=own.mean,
            rates=dict(self.rates),
            buffers=own.buffers,
            metadata={"method": "MCDropout"},
        )

    def state_dict(self) -> dict[str, Any]:
        """State, groups and rates; read with `weights_only=True`."""
        return {**super().state_dict(), METHOD: "MCDropout", RATES: dict(self.rates)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` gave, rates included.

        Args:
            state_dict: Of an MCDropout of the same network and layers.

        Raises:
            ValueError: If it is of another; nothing is changed then.
        """
        check_method("MCDropout", state_dict, (METHOD, RATES))
        check_adamw_state(self.param_groups, state_dict)
        if state_dict[RATES].keys() != self.rates.keys():
            raise ValueError(
                f"rates of the state to load must be of {list(self.rates)}, got "
                f"{list(state_dict[RATES])}."
            )
        for name, rate in state_dict[RATES].items():
            _checked_rate(f"rates[{name!r}]", rate)
        super().load_state_dict({k: state_dict[k] for k in ("state", "param_groups")})
        self.rates = dict(state_dict[RATES])
        if self._dropout.active:
            self._dropout.remove()
            self._install()

    def __getstate__(self) -> dict[str, Any]:
        """What a copy needs; copy model and optimizer in one `copy.deepcopy`."""
        own = {"network": self.network, "rates": self.rates}
        return {**super().__getstate__(), **own, "active": self._dropout.active}

    def __setstate__(self, state: dict[str, Any]) -> None:
        active = state.pop("active", None)
        super().__setstate__(state)
        if active is not None:  # a copy, not a state that is loaded
            self._install()
        if active is False:
            self.close()


def _checked_rate(name: str, rate: float) -> float:
    return check_number(
        name, rate, minimum=0, maximum=1, open_minimum=True, open_maximum=True
    )


def _weight(layer: str) -> str:
    """Name of a layer's weight; the layer's is empty if it is the whole model."""
    return f"{layer}.weight" if layer else "weight"

"""Which modules give squares, and by which rule."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from . import functional
from .functional import ModuleCall
from .recurrent import recurrent_contributions, recurrent_examples
from .rules import Contributions, LayerRule, rule_for

ATTENTION = "multihead_attention"
ATTENTION_PARAMETERS = (
    "in_proj_weight", "in_proj_bias", "q_proj_weight", "k_proj_weight", "v_proj_weight",
    "out_proj.weight", "out_proj.bias",
)  # fmt: skip
# Rules that know tokens but not their order, and so can take sequences first.
OF_TOKENS = {"linear", "layer_norm", "rms_norm", "embedding"}
RECURRENT = {nn.LSTM: "lstm", nn.GRU: "gru", nn.RNN: "rnn"}


@dataclass(frozen=True)
class Layer:
    """A module that owns parameters, and how its calls give squares.

    Args:
        module: The module.
        rule: Its rule, None where there is none for its type.
        names: Parameters wanted, local name -> name in the model.
    """

    module: nn.Module
    rule: LayerRule | None
    names: dict[str, str]

    @property
    def is_attention(self) -> bool:
        """Whether it is attention, whose projections follow the rule of Linear."""
        return isinstance(self.module, nn.MultiheadAttention)

    @property
    def runs_recorded(self) -> bool:
        """Whether its weight gradient is to come from the per-example gradients."""
        fused = self.rule is not None and self.rule.input_gradient is not None
        return fused or self.is_attention

    @property
    def takes_sequences_first(self) -> bool:
        """Whether the examples may be in the second dimension of its input."""
        return self.rule is not None and self.rule.name in OF_TOKENS

    @property
    def label(self) -> str:
        """Name of the rule, for people."""
        if self.is_attention:
            return ATTENTION
        if type(self.module) in RECURRENT:
            return RECURRENT[type(self.module)]
        return self.rule.name if self.rule else "functional"

    def num_examples(self, call: ModuleCall) -> int | None:
        """Examples that a call of a module without a rule has; None when none."""
        if type(self.module) in RECURRENT:
            assert isinstance(self.module, nn.RNNBase)
            return recurrent_examples(self.module, call)
        inputs = call.args[0] if call.args else None
        first = next(iter(call.outputs.values()))
        if not isinstance(inputs, Tensor) or not inputs.ndim or not first.ndim:
            return None
        return call.num_examples if len(inputs) == len(first) else None

    @property
    def chunks_of(self) -> Callable[..., Iterator[Contributions]]:
        """What gives the contributions of a call of a module without a rule."""
        if type(self.module) in RECURRENT:
            return recurrent_contributions
        if isinstance(self.module, _BatchNorm) and self.module.training:
            return _with_fixed_statistics
        return functional.contribution_chunks


def find_layers(
    model: nn.Module, parameters: Mapping[str, nn.Parameter]
) -> list[Layer]:
    """The modules whose calls give squares.

    Args:
        model: The model.
        parameters: Parameters wanted, by their name in the model.

    Returns:
        Modules with a rule, attention, and others without children or derived from
        BatchNorm. Other composite modules that own parameters are not among them.
    """
    names_by_id = {id(parameter): name for name, parameter in parameters.items()}
    attention = [m for m in model.modules() if type(m) is nn.MultiheadAttention]
    # Attention uses the weights of its projection without calling the module.
    uncalled = {module.out_proj for module in attention}
    layers = []
    for module in model.modules():
        if module in uncalled:
            continue
        rule = rule_for(module)
        names = {
            local: names_by_id[id(parameter)]
            for local, parameter in _own_parameters(module)
            if id(parameter) in names_by_id
        }
        alone = next(module.children(), None) is None or isinstance(module, _BatchNorm)
        alone = alone and not isinstance(module, nn.ParameterDict | nn.ParameterList)
        if names and (rule is not None or alone or module in attention):
            layers.append(Layer(module, rule, names))
    return layers


def _own_parameters(module: nn.Module) -> Iterable[tuple[str, nn.Parameter]]:
    if type(module) is nn.MultiheadAttention:
        named = dict(module.named_parameters())
        return [(name, named[name]) for name in ATTENTION_PARAMETERS if name in named]
    return module.named_parameters(recurse=False)


def _with_fixed_statistics(
    module: _BatchNorm, names: list[str], call: ModuleCall
) -> Iterator[Contributions]:
    """Re-run a layer derived from BatchNorm with the batch's statistics as constants.

    In eval mode and with these as the running ones it treats examples alone.

    Args:
        module: The layer, in train mode.
        names: Local names of the parameters wanted.
        call: Its call, with the gradient of its output.

    Yields:
        Contributions `[n, *shape]` of consecutive examples.
    """
    x = call.args[0].detach()
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    axes = (0, *range(2, x.ndim))
    kept = module.running_mean, module.running_var
    module.running_mean, module.running_var = x.mean(axes), x.var(axes, correction=0)
    module.training = False
    try:
        yield from functional.contribution_chunks(module, names, call)
    finally:
        module.running_mean, module.running_var = kept
        module.training = True


def unwrapped(model: nn.Module) -> tuple[nn.Module, str]:
    """The model within wrappers, and what these put before its parameters' names."""
    prefix = ""
    while True:
        if isinstance(model, DistributedDataParallel):
            model, prefix = model.module, prefix + "module."
        elif isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):
            model, prefix = inner, prefix + "_orig_mod."
        else:
            return model, prefix

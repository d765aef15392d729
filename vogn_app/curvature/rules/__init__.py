"""Per-example gradients of one layer, from its input and its output's gradient.

Pure functions, no hooks: `rule.py` says what a rule is, and each family of layers has a
file of rules. Rules with a shortcut give sums over examples without ever holding all
contributions.
"""

from torch import nn

from . import convolution
from .embedding import EMBEDDING
from .linear import LINEAR
from .normalisation import (
    BATCH_NORM,
    GROUP_NORM,
    INSTANCE_NORM_1D,
    INSTANCE_NORM_2D,
    INSTANCE_NORM_3D,
    LAYER_NORM,
    RMS_NORM,
    SYNC_BATCH_NORM,
)
from .rule import (
    CHUNK_ELEMENTS,
    Contributions,
    LayerRule,
    Sums,
    contribution_chunks,
    layer_sums,
)

__all__ = [
    "CHUNK_ELEMENTS",
    "RULES",
    "Contributions",
    "LayerRule",
    "Sums",
    "contribution_chunks",
    "layer_sums",
    "rule_for",
]

RULES: dict[type[nn.Module], LayerRule] = {
    **convolution.RULES,
    nn.Linear: LINEAR,
    nn.Embedding: EMBEDDING,
    nn.LayerNorm: LAYER_NORM,
    nn.RMSNorm: RMS_NORM,
    nn.GroupNorm: GROUP_NORM,
    nn.InstanceNorm1d: INSTANCE_NORM_1D,
    nn.InstanceNorm2d: INSTANCE_NORM_2D,
    nn.InstanceNorm3d: INSTANCE_NORM_3D,
    nn.BatchNorm1d: BATCH_NORM,
    nn.BatchNorm2d: BATCH_NORM,
    nn.BatchNorm3d: BATCH_NORM,
    nn.SyncBatchNorm: SYNC_BATCH_NORM,
}


def rule_for(module: nn.Module) -> LayerRule | None:
    """The rule of a module, None when there is none.

    Subclasses have none, nor have modules with a `forward` of their own: these may do
    something else. Nor have those whose weight is made from other parameters.
    """
    own = set(module._parameters.keys())
    plain = "weight" in own and own <= {"weight", "bias"}
    return RULES.get(type(module)) if plain and "forward" not in vars(module) else None

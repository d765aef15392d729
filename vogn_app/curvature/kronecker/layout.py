"""Which blocks a model has, and which layer measures which of them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from ..layers import RECURRENT, Layer, find_layers
from .blocks import (
    Block,
    DiagonalBlock,
    ExampleBlock,
    KroneckerBlock,
    LayerBlock,
    Part,
    Shape,
    UnitBlock,
)
from .measurable import check_initialised, measurable
from .rules import Sharing, kronecker_rule_for

# Layers derived from these have a scale and a shift of channels, too.
NORMS = (_BatchNorm, _InstanceNorm, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
WHOLE_MODEL = "model"  # name of the one block of shape "full"


@dataclass(frozen=True)
class Watched:
    """A layer that is watched, and the blocks it measures.

    Args:
        layer: The layer.
        blocks: Kronecker blocks of its linear maps, in no order, or one block that
            takes per-example gradients.
    """

    layer: Layer
    blocks: tuple[Block, ...]


def find_watched(
    model: nn.Module,
    parameters: Mapping[str, nn.Parameter],
    shape: Shape = "kronecker",
    sharing: Sharing = "expand",
) -> list[Watched]:
    """Lay out a model in blocks.

    Parameters that several layers share, and that these do not use in the same way (as
    an embedding and a linear layer that have one weight), are in a diagonal block.

    Args:
        model: The model, without wrappers.
        parameters: Parameters to precondition, by their name in the model.
        shape: Of the blocks: "kronecker", or for small models "layer", "full" (one for
            all parameters) and "diagonal".
        sharing: What positions count as in Kronecker blocks.

    Returns:
        The layers; one without blocks is left out.

    Raises:
        ValueError: If a layer has no weights yet, or sparse gradients.
    """
    check_initialised(parameters)
    names = {module: name for name, module in model.named_modules()}
    layers = measurable(find_layers(model, parameters), names)
    if shape == "kronecker":
        found = [(each, _natural(each, names[each.module], sharing)) for each in layers]
    else:
        found = [(layer, _by_example(layer, names[layer.module])) for layer in layers]
    found = list(_untied(found))
    if shape in {"layer", "full"}:
        found = [(layer, (_as_layer(block),)) for layer, (block,) in found]
    if shape == "full" and found:
        parts = {name: p for _, (b,) in found for name, p in b.parts.items()}
        found = [(layer, (LayerBlock(WHOLE_MODEL, parts),)) for layer, _ in found]
    return [Watched(layer, blocks) for layer, blocks in found if blocks]


def blocks_of(watched: Iterable[Watched]) -> dict[str, Block]:
    """The blocks by name."""
    return {block.name: block for each in watched for block in each.blocks}


def _natural(layer: Layer, name: str, sharing: Sharing) -> tuple[Block, ...]:
    """The blocks of a layer by its type."""
    if layer.is_attention:
        return tuple(_attention_blocks(layer, name, sharing))
    if type(layer.module) in RECURRENT:
        return tuple(_recurrent_blocks(layer, name))
    rule = kronecker_rule_for(layer.module)
    if rule is not None:
        parts = {local: _whole(layer, local) for local in layer.names}
        return (KroneckerBlock(name, parts, rule, layer.module, sharing),)
    if isinstance(layer.module, NORMS) and set(layer.names) <= {"weight", "bias"}:
        return (UnitBlock(name, _by_name(layer)),)
    return _by_example(layer, name)


def _by_example(layer: Layer, name: str) -> tuple[Block, ...]:
    return (DiagonalBlock(name, _by_name(layer)),)


def _as_layer(block: Block) -> Block:
    return LayerBlock(block.name, block.parts)


def _by_name(layer: Layer) -> dict[str, Part]:
    """Whole parameters, by their name in the model."""
    return {name: _whole(layer, local) for local, name in layer.names.items()}


def _whole(layer: Layer, local: str) -> Part:
    parameter = layer.module.get_parameter(local)
    return Part(layer.names[local], parameter.shape)


def _linear_block(
    name: str, parts: dict[str, Part], inputs: int, outputs: int, sharing: Sharing
) -> KroneckerBlock:
    """A block of a linear map that is no module of its own."""
    like = nn.Linear(inputs, outputs, "bias" in parts, device="meta")
    rule = kronecker_rule_for(like)
    assert rule is not None
    return KroneckerBlock(name, parts, rule, like, sharing)


def _attention_blocks(layer: Layer, name: str, sharing: Sharing) -> Iterator[Block]:
    """Projections of query, key, value and output, each a linear map."""
    module = layer.module
    assert isinstance(module, nn.MultiheadAttention)
    size = module.embed_dim
    widths = (size, module.kdim or size, module.vdim or size)
    for number, (role, width) in enumerate(zip("qkv", widths, strict=True)):
        rows = (number * size, (number + 1) * size)
        packed = "in_proj_weight" in layer.names
        weight = "in_proj_weight" if packed else f"{role}_proj_weight"
        parts = {}
        if weight in layer.names:
            shape = torch.Size((size, width))
            parts["weight"] = Part(layer.names[weight], shape, rows if packed else None)
        if "in_proj_bias" in layer.names:
            bias = layer.names["in_proj_bias"]
            parts["bias"] = Part(bias, torch.Size((size,)), rows)
        if parts:
            yield _linear_block(f"{name}.{role}", parts, width, size, sharing)
    ends = ("weight", "bias")
    own = {e: f"out_proj.{e}" for e in ends if f"out_proj.{e}" in layer.names}
    if own:
        parts = {end: _whole(layer, local) for end, local in own.items()}
        yield _linear_block(f"{name}.out", parts, size, size, sharing)


def _recurrent_blocks(layer: Layer, name: str) -> Iterator[Block]:
    """Maps of input, hidden state and projection; every step is a row of its own."""
    module = layer.module
    assert isinstance(module, nn.RNNBase)
    plain = [weight for each in module._all_weights for weight in each]
    for local in (weight for weight in plain if weight.startswith("weight")):
        end = local.removeprefix("weight_")
        pair = {"weight": local, "bias": f"bias_{end}"}
        parts = {
            e: _whole(layer, each) for e, each in pair.items() if each in layer.names
        }
        outputs, inputs = module.get_parameter(local).shape
        if parts:
            yield _linear_block(f"{name}.{end}", parts, inputs, outputs, "expand")


def _untied(
    found: list[tuple[Layer, tuple[Block, ...]]],
) -> Iterator[tuple[Layer, tuple[Block, ...]]]:
    """Give layers that share a parameter a common block."""
    first: dict[tuple[str, tuple[int, int] | None], Block] = {}
    merged = _Groups()
    for _, blocks in found:
        for block in blocks:
            for part in block.parts.values():
                other = first.setdefault((part.name, part.rows), block)
                if other is not block:
                    merged.join(other.name, block.name)
    every = {block.name: block for _, blocks in found for block in blocks}
    common = {root: _common([every[n] for n in names]) for root, names in merged.sets()}
    for layer, blocks in found:
        roots = [merged.root(block.name) for block in blocks]
        pairs = zip(blocks, roots, strict=True)
        shared = [
            _joined(block, common.get(root, every[root])) for block, root in pairs
        ]
        if any(isinstance(b, ExampleBlock) for b in shared) and len(shared) > 1:
            raise ValueError(
                "params must not share the weights of attention or recurrent layers "
                f"with other layers, got {blocks[0].name}."
            )
        yield layer, tuple(shared)


def _joined(block: Block, common: Block) -> Block:
    """What a layer measures: its strides and padding may differ from the others'."""
    if isinstance(common, KroneckerBlock):
        return replace(block, name=common.name)
    return common


class _Groups:
    """Sets of names that were joined."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def root(self, name: str) -> str:
        """The name that stands for a name's set."""
        while name in self._parent:
            name = self._parent[name]
        return name

    def join(self, one: str, other: str) -> None:
        """Make one set of two."""
        first, second = self.root(one), self.root(other)
        if first != second:
            self._parent[second] = first

    def sets(self) -> Iterator[tuple[str, list[str]]]:
        """Sets of more than one name."""
        members: dict[str, list[str]] = {}
        for name in self._parent:
            root = self.root(name)
            members.setdefault(root, [root]).append(name)
        return iter(members.items())


def _common(blocks: list[Block]) -> Block:
    """One block for layers with common parameters.

    Layers of one kind that use the very same parameters count as positions of one.
    """
    first = blocks[0]
    alike = all(
        block.kind == first.kind
        and block.parts == first.parts
        and block.sizes == first.sizes
        for block in blocks
    )
    if alike:
        return first
    parts = {part.name: part for block in blocks for part in block.parts.values()}
    return DiagonalBlock(first.name, parts)

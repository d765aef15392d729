"""What is seen of attention: its projections are linear maps."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, final

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own idiom

from ..attention import attention_with, is_part_of, rows_of
from ..evidence import Evidence, promoted_pair
from ..hooks import ROWS, Projection
from ..rules.linear import LINEAR
from .copies import Forward
from .present import LayerCall
from .watching import LayerWatch


@final
class AttentionWatch(LayerWatch):
    """Watches an attention, whose forward it replaces."""

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Watch within the context."""
        forward = vars(self.module).get("forward")
        if forward is not None and not isinstance(forward, Forward):
            yield  # it came from elsewhere, and may do anything
            return
        if forward is None or not forward.watches:  # a copy has none
            forward = Forward(self.module, run_attention)
            vars(self.module)["forward"] = forward
        forward.watches.append(self)
        try:
            yield
        finally:
            forward.watches.remove(self)
            if not forward.watches:
                vars(self.module).pop("forward", None)

    def watch_projection(
        self,
        names: Mapping[str, str],
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        output: Tensor,
    ) -> Tensor:
        """Watch a linear map of attention; gives the output to be used instead."""
        rows = self._rows(weight) or self._rows(bias)
        if rows is None:
            return output
        measure = partial(self._measure_projection, names, weight, bias, rows)
        call = LayerCall(self.module, x.shape)
        result = self._watch(output, x, measure, call, x)
        return output if result is None else result

    def _rows(self, used: Tensor | None) -> tuple[str, int, int] | None:
        """Which rows of which parameter a projection uses as its weight or bias."""
        for name in self.layer.names.values():
            parameter = self.capture.parameters[name]
            if used is not None and is_part_of(used, parameter):
                return name, *rows_of(used, parameter)
        return None

    def _measure_projection(
        self,
        names: Mapping[str, str],
        weight: Tensor,
        bias: Tensor | None,
        rows: tuple[str, int, int],
        call: LayerCall,
        x: Tensor,
        g: Tensor,
        new: bool,
    ) -> None:
        x, g = promoted_pair(x, g)
        name, start, stop = rows
        if self.example_block is not None:
            used = {"weight": self._rows(weight), "bias": self._rows(bias)}
            found = {end: rows for end, rows in used.items() if rows is not None}
            keys = {k: _key(*v) for k, v in found.items() if v[0] in names.values()}
            evidence = Evidence.of(LINEAR, Projection(weight, bias), x, g, 0)
            self._add_examples(keys, call, evidence)
            return
        for block in self.watched.blocks:
            part = next(iter(block.parts.values()))
            own = block.parts.get("weight", part)
            if own.name == name and own.rows is None:
                self._measure_map(block, x, g, new)
            elif own.name == name and own.rows is not None:
                first, last = own.rows[0] - start, own.rows[1] - start
                if first >= 0 and own.rows[1] <= stop:
                    self._measure_map(block, x, g[..., first:last], new)


def run_attention(
    module: nn.MultiheadAttention,
    watches: list[AttentionWatch],
    *args: Any,
    **kwargs: Any,
) -> Any:
    """In place of the forward of attention: its projections are linear maps.

    Args:
        module: The attention.
        watches: Those who watch it; each optimizer has one of its own.
        args: Of the call.
        kwargs: Of the call.

    Returns:
        What the attention gives.
    """
    trained = [(watch, watch.trained()) for watch in watches]
    wanted = [(watch, names) for watch, names in trained if names]
    query = args[0] if args else kwargs.get("query")
    if not (wanted and isinstance(query, Tensor) and query.ndim == 3):
        return nn.MultiheadAttention.forward(module, *args, **kwargs)

    def project(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        output = F.linear(x, weight, bias)
        for watch, names in wanted:
            output = watch.watch_projection(names, x, weight, bias, output)
        return output

    return attention_with(project, module, *args, **kwargs)


def _key(name: str, start: int, stop: int) -> str:
    return f"{name}{ROWS}{start}:{stop}"

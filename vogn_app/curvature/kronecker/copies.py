"""Hooks that a copied or pickled model does not have.

Averages of weights and checkpoints of whole models copy a model while it is watched.
The copy belongs to no optimizer: in the place of hooks it has some that do nothing.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, final

from torch import nn


@final
class Hook:
    """A hook of a module.

    Args:
        call: What it does; nothing in a copy.
    """

    def __init__(self, call: Callable[..., Any] | None = None) -> None:
        self.call = call

    def __call__(self, *args: Any) -> Any:
        """Run the hook."""
        return None if self.call is None else self.call(*args)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Hook":
        return Hook()

    def __reduce__(self) -> tuple[Any, ...]:
        return Hook, ()


@final
class Forward:
    """What a module has in place of its own forward.

    Args:
        module: The module.
        run: Takes the module, those who watch it, and the arguments of a call. A copy
            has none: it runs the module's own forward, and removes itself.
    """

    def __init__(
        self, module: nn.Module, run: Callable[..., Any] | None = None
    ) -> None:
        self.module, self.run = module, run
        self.watches: list[Any] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the module."""
        if self.run is not None:
            return self.run(self.module, self.watches, *args, **kwargs)
        vars(self.module).pop("forward", None)
        return self.module.forward(*args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Forward":
        return Forward(deepcopy(self.module, memo))

    def __reduce__(self) -> tuple[Any, ...]:
        return Forward, (self.module,)

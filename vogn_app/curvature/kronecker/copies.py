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
        call: What runs. A copy runs the module's own, and removes itself.
    """

    def __init__(
        self, module: nn.Module, call: Callable[..., Any] | None = None
    ) -> None:
        self.module, self.call = module, call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the module."""
        if self.call is not None:
            return self.call(*args, **kwargs)
        vars(self.module).pop("forward", None)
        return self.module.forward(*args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Forward":
        return Forward(deepcopy(self.module, memo))

    def __reduce__(self) -> tuple[Any, ...]:
        return Forward, (self.module,)

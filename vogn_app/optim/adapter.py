"""VOGN for frameworks that make the optimizer themselves, from parameters alone."""

from typing import Any

from torch import nn

from .sampled import Params
from .vogn import VOGN


def optimizer_for(model: nn.Module, *, num_data: int, **settings: Any) -> type[VOGN]:
    """A class that makes an automatic VOGN of one model, `cls(params, **more)`.

    For whatever asks for an optimizer class: `optimizer_cls_and_kwargs` of Hugging
    Face's Trainer, timm's registry of optimizers.

    Args:
        model: The network whose parameters the class will be given.
        num_data: Size of the training set.
        settings: Settings of `VOGN`; what the framework gives goes before them.

    Returns:
        The class. Its call takes parameters or groups of them, and settings; what it
        gives is a `VOGN` with `automatic=True`.

    Example:
        >>> model = nn.Linear(2, 3)
        >>> make = optimizer_for(model, num_data=100, curvature_decay=0.99)
        >>> optimizer = make(model.parameters(), lr=0.1, weight_decay=0.0)
    """
    given = {"num_data": num_data, "automatic": True, **settings}

    class VOGNOfModel(VOGN):
        """Gives plain VOGN, which can be copied and pickled."""

        def __new__(cls, params: Params, **more: Any) -> VOGN:  # type: ignore[misc]
            return VOGN(model, params=params, **{**given, **more})

    return VOGNOfModel

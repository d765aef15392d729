"""VOGN: natural-gradient variational inference as a plug-and-play torch optimizer."""

from .errors import UnsupportedLayerError
from .optim import VOGN

__all__ = ["VOGN", "UnsupportedLayerError"]
__version__ = "0.1.0"

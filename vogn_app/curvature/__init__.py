"""What one backward pass can tell about the curvature of the loss."""

from .capture import SquareCapture
from .labels import FisherPass
from .recording import Squares

__all__ = ["FisherPass", "SquareCapture", "Squares"]

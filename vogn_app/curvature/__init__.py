"""What one backward pass can tell about the curvature of the loss."""

from .capture import SquareCapture
from .recording import Squares

__all__ = ["SquareCapture", "Squares"]

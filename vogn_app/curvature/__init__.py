"""What one backward pass can tell about the curvature of the loss."""

from .capture import SquareCapture, Squares

__all__ = ["SquareCapture", "Squares"]

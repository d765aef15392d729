"""Errors of the library; each is also a builtin error that callers may know."""


class UnsupportedLayerError(ValueError):
    """A parameter's per-example gradients cannot be computed exactly."""

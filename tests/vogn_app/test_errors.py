"""Errors that callers may catch by their builtin kind."""

from vogn_app import UnsupportedLayerError, errors


def test_an_unsupported_layer_is_a_value_error():
    assert issubclass(UnsupportedLayerError, ValueError)
    assert errors.UnsupportedLayerError is UnsupportedLayerError

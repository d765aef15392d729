"""Tests of `vogn_app.optim`."""

"""Tests of `vogn_app.kernels`."""

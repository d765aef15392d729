"""Tests of `vogn_app.curvature.rules`."""

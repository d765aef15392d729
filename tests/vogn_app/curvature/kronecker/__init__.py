"""Tests of `vogn_app.curvature.kronecker`."""

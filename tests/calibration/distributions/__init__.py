"""Tests of calibration/distributions/."""

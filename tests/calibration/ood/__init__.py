"""Tests of the calibration package, module by module."""

"""Tests of recalibration, module by module."""

"""Tests of the benchmark scripts: that they run and say what they should."""

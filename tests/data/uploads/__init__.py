"""Tests of `data/uploads/`."""

"""Tests of `ui/views/compare`."""

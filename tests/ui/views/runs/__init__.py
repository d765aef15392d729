"""Tests of `ui/views/runs`."""

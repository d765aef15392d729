"""Tests of `ui/views/run`."""

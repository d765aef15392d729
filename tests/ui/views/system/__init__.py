"""Tests of `ui/views/system`."""

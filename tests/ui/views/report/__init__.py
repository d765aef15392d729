"""Tests of `ui/views/report`."""

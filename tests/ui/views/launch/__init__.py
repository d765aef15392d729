"""Tests of `ui/views/launch`."""

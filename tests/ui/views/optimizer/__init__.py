"""Tests of `ui/views/optimizer`."""

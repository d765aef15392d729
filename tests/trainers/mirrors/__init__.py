"""Tests of the mirrors, at the mirrored paths."""

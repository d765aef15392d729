"""Tests of the trainers, at the mirrored paths."""

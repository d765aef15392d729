"""Tests of corrupted images."""

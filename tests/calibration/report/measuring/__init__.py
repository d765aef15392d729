"""Tests of the sections of numbers, one file each."""

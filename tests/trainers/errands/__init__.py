"""Tests of `trainers/errands`."""

"""Tests of tasks that are learned one after another."""

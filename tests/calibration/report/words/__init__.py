"""Tests of the report's sentences."""

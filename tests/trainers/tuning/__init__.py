"""Tests of the search for hyper-parameters."""

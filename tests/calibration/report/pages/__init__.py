"""Tests of the pages that matplotlib draws."""

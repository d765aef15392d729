"""Tests of the library, module by module."""

"""Tests of the process that answers for a finished run."""

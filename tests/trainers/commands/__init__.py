"""Tests of the commands that talk to the job engine."""

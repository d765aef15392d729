"""The examples run, and learn something."""

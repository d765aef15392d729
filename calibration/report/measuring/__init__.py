"""Predictions to numbers: one file a section of the report."""

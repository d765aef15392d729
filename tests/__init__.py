"""The tests mirror the source path for path."""

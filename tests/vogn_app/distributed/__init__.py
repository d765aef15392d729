"""Tests of vogn_app.distributed."""

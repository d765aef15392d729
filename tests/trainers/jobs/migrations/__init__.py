"""Tests of the migrations of the job store."""

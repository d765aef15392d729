"""Tests of launching, watching and stopping runs."""

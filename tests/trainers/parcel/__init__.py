"""Tests of `trainers/parcel`."""

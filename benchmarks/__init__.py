"""One script a claim: `python -m benchmarks.NAME` or `python benchmarks/NAME.py`."""

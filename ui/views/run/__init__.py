"""The page of one run, live and afterwards."""

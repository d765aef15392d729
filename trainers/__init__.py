"""Train, evaluate and record runs.

Importing this package, its catalogue, its configuration, its run folders or its jobs
never imports torch: the dashboard needs them and must stay light.
"""

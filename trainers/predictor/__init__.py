"""A finished run that answers questions: a process of its own beside the dashboard.

`python -m trainers.predictor RUN` loads the run once, and then answers requests on its
standard input (`protocol.py`) until that is closed, nothing came for ten minutes, or it
is told to end. The dashboard itself never loads torch; its side of the pipe is
`ui/components/predictor.py`.

It computes on the CPU unless the run's configuration names a CUDA device, so that what
is at work on a GPU is left alone.
"""

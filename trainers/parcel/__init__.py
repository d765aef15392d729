"""What the page of the optimizers gives away: code to copy, the wheel, the archive.

Torch-free: the library is read as text, and built by a process of its own.
"""

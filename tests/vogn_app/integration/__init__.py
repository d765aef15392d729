"""Curvature together with the rest of PyTorch: one file per concern."""

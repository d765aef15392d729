"""Kronecker-factored curvature: moments of inputs and gradients, and their inverses."""

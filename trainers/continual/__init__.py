"""Tasks learned one after another, and what is left of the earlier ones.

Section 5 of the VOGN paper (Osawa et al., 2019): the posterior of one task is the prior
of the next. `settings` and `record` are torch-free.
"""

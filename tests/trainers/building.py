"""Optimizers for tests, built as a run does."""

import copy

from trainers.optimizers import Plan, build_optimizer


def built(config, model, num_data=100, seed=0, num_steps=100):
    """Build an optimizer; further networks of an ensemble are copies of the first."""
    plan = Plan(
        num_data=num_data,
        seed=seed,
        num_steps=num_steps,
        network=lambda _: copy.deepcopy(model),
    )
    return build_optimizer(config, model, plan)

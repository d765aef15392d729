"""Mixtures, low-rank and dropout posteriors for the tests."""

import torch

from vogn_app.posterior import DropoutPosterior, LowRankPosterior, MixturePosterior

from .examples import posterior_of

METADATA = {"num_data": 100, "temperature": 0.5, "version": "1"}


def points_of(build, num_points=3):
    """Parameters and buffers of networks of their own."""
    models = [build() for _ in range(num_points)]
    return [(dict(m.named_parameters()), dict(m.named_buffers())) for m in models]


def point_mixture(build, num_points=3):
    return MixturePosterior.of_points(
        build(), points_of(build, num_points), metadata=METADATA
    )


def gaussian_mixture(build, num_components=3):
    components = tuple(posterior_of(build(), seed=k) for k in range(num_components))
    return MixturePosterior(components=components, metadata=METADATA)


def low_rank_posterior(model, num_deviations=3, scale=1.0, silent=()):
    """Around what a model holds, with made-up variances and deviations."""
    like = posterior_of(model, silent=silent)
    variance = {name: 1 / precision for name, precision in like.precision.items()}
    generator = torch.Generator().manual_seed(3)
    deviations = {
        name: torch.randn(
            num_deviations, *each.shape, generator=generator, dtype=each.dtype
        )
        / 10
        for name, each in variance.items()
        if num_deviations
    }
    return LowRankPosterior(
        mean=like.mean, variance=variance, deviations=deviations, scale=scale,
        buffers=like.buffers, metadata=METADATA,
    )  # fmt: skip


def dropout_posterior(model, rate=0.3):
    """Columns of the matrices and filters of a model are dropped."""
    rates = {name: rate for name, p in model.named_parameters() if p.ndim > 1}
    return DropoutPosterior.from_model(model, rates, metadata=METADATA)


KINDS = {
    "points": point_mixture,
    "gaussians": gaussian_mixture,
    "low_rank": lambda build: low_rank_posterior(build()),
    "dropout": lambda build: dropout_posterior(build()),
}

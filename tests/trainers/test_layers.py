"""What a posterior says of each layer."""

import json
import math

import pytest
import torch
from torch import nn

from trainers.layers import layer_rows
from vogn_app import GaussianPosterior, MixturePosterior

FIELDS = {
    "name", "num_parameters", "kl", "signal_to_noise", "effective_parameters",
    "deviation", "between",
}  # fmt: skip


def posterior_of(prior_precision=4.0, precision=100.0):
    """Two layers whose weights are 0.5, of the same precision."""
    names = ("0.weight", "2.weight", "2.bias")
    shapes = ((3, 2), (1, 3), (1,))
    mean = {n: torch.full(s, 0.5) for n, s in zip(names, shapes, strict=True)}
    precisions = {name: torch.full_like(each, precision) for name, each in mean.items()}
    return GaussianPosterior(
        mean=mean,
        precision=precisions,
        prior_precision=dict.fromkeys(mean, prior_precision),
    )


def test_each_row_is_the_closed_form_of_its_layer():
    rows = layer_rows(posterior_of())
    assert [(row["name"], row["num_parameters"]) for row in rows] == [
        ("0", 6),
        ("2", 4),
    ]
    # KL(N(m, 1/P) || N(0, 1/d)) = (d / P + d m^2 - 1 + log(P / d)) / 2 nats a weight.
    kl = 0.5 * (4 / 100 + 4 * 0.25 - 1 + math.log(25))
    for row in rows:
        assert set(row) == FIELDS
        assert row["deviation"] == pytest.approx(0.1)
        assert row["signal_to_noise"] == pytest.approx(5.0)
        count = row["num_parameters"]
        assert row["effective_parameters"] == pytest.approx(count * (1 - 4 / 100))
        assert row["kl"] == pytest.approx(count * kl, rel=1e-5)


def test_rows_are_json_without_what_json_has_no_word_for():
    without_prior = layer_rows(posterior_of(prior_precision=0.0))
    assert all(row["kl"] is None for row in without_prior)
    for rows in (without_prior, layer_rows(posterior_of())):
        assert json.loads(json.dumps(rows, allow_nan=False)) == rows


def test_what_is_not_finite_is_null(monkeypatch):
    summary = GaussianPosterior.summary

    def ruined(self):
        return [
            type(row)(**vars(row) | {"deviation": math.inf, "kl": math.nan})
            for row in summary(self)
        ]

    monkeypatch.setattr(GaussianPosterior, "summary", ruined)
    first = layer_rows(posterior_of())[0]
    assert (first["deviation"], first["kl"]) == (None, None)
    assert first["signal_to_noise"] == pytest.approx(5.0)
    assert first["num_parameters"] == 6


def test_rows_of_a_mixture_are_json_too():
    mixture = MixturePosterior(components=[posterior_of(), posterior_of(2.0, 50.0)])
    rows = layer_rows(mixture)
    assert [row["between"] for row in rows] == [0.0, 0.0]
    assert all(row["kl"] is row["effective_parameters"] is None for row in rows)
    assert rows[0]["deviation"] == pytest.approx(((0.01 + 0.02) / 2) ** 0.5)
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows


def test_names_are_those_of_the_model():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    names = {name.rpartition(".")[0] for name, _ in model.named_parameters()}
    assert {row["name"] for row in layer_rows(posterior_of())} == names

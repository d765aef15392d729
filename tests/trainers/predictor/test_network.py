"""Tests of networks held ready to predict."""

import numpy as np
import pytest

from trainers.batches import DeviceSplit
from trainers.predict import predict_samples
from trainers.predictor.network import Network, _spread
from trainers.trained import load_trained


def evaluated(run, name="probabilities"):
    with np.load(run.predictions) as arrays:
        found = arrays[name]
    return found if found.ndim == 3 else found[None]


def test_it_gives_the_very_predictions_of_the_evaluation(any_digits):
    trained = load_trained(any_digits)
    network = Network(trained)
    found = network.predict(trained.data.test.inputs)
    np.testing.assert_allclose(found, evaluated(any_digits), atol=1e-6)
    # Drawing weights left those of the mean in place, and asking again changes nothing.
    np.testing.assert_array_equal(found, network.predict(trained.data.test.inputs))


def test_its_samples_are_those_that_predict_samples_draws(digits):
    trained, other = load_trained(digits), load_trained(digits)
    split = DeviceSplit.of(other.data.test, other.data.normalisation, other.device)
    (samples,) = predict_samples(other.model, other.optimizer, [split], 3)
    network = Network(trained)
    assert network.num_samples == 3
    found = network.predict(other.data.test.inputs)
    np.testing.assert_allclose(found.mean(0), samples.mean(0), atol=1e-6)


def test_points_are_predicted_too(moons):
    trained = load_trained(moons)
    network = Network(trained)
    assert network.fill is None
    found = network.predict(trained.data.test.inputs)
    np.testing.assert_allclose(found, evaluated(moons), atol=1e-6)


def test_one_set_of_weights_is_one_sample(any_digits, images):
    network = Network(load_trained(any_digits))
    count = max(1, network.num_samples)
    assert network.predict(images).shape == (count, len(images), 10)
    assert network.predict(images, 2).shape[0] == min(count, 2)


def test_of_a_large_network_fewer_samples_are_kept(digits, images):
    trained = load_trained(digits)
    size = sum(4 * p.numel() for p in trained.model.parameters())
    network = Network(trained, max_drawn=2 * size)
    assert network.num_samples == 2
    np.testing.assert_allclose(
        network.predict(images), evaluated(digits)[:2, : len(images)], atol=1e-6
    )
    np.testing.assert_array_equal(
        network.predict(images, 1), network.predict(images)[:1]
    )
    assert Network(load_trained(digits), max_drawn=1).num_samples == 1


def test_a_few_of_the_samples_are_from_all_over_them(digits, images):
    network = Network(load_trained(digits))
    every = network.predict(images)
    assert len(every) == 3
    np.testing.assert_array_equal(network.predict(images, 2), every[[0, 1]])
    assert [*_spread(list(range(20)), 8)] == [0, 2, 5, 7, 10, 12, 15, 17]
    assert _spread([1, 2], 8) == _spread([1, 2], None) == [1, 2]


def test_the_fill_is_the_mean_of_the_training_images(digits):
    trained = load_trained(digits)
    mean = trained.data.train.inputs.mean()
    assert Network(trained).fill == pytest.approx([mean], abs=0.51)

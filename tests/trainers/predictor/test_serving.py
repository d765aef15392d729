"""Tests of what a predictor answers, without a process around it."""

import io
import os

import numpy as np
import pytest

from trainers.predictor.network import Network
from trainers.predictor.occlusion import MAPS
from trainers.predictor.protocol import (
    LENGTHS,
    MAX_BYTES,
    Message,
    read_message,
    write_message,
)
from trainers.predictor.serving import (
    MAX_INPUTS,
    OCCLUSION_SAMPLES,
    answered,
    described,
    serve,
)
from trainers.trained import load_trained


@pytest.fixture(scope="module")
def network(digits):
    return Network(load_trained(digits))


def conversation(network, content, idle=60.0):
    """Everything that is answered to some bytes, after which the stream closes."""
    requests, sender = os.pipe()
    answers = io.BytesIO()
    with os.fdopen(requests, "rb", 0) as source:
        with os.fdopen(sender, "wb") as target:
            target.write(content)
        serve(network, source, answers, idle)
    answers.seek(0)
    return list(iter(lambda: read_message(answers), None))


def request(**content):
    arrays = {
        k: content.pop(k) for k in [*content] if isinstance(content[k], np.ndarray)
    }
    return Message(content, arrays)


def packed(message):
    stream = io.BytesIO()
    write_message(stream, message)
    return stream.getvalue()


def test_it_greets_answers_and_ends_with_the_stream(network, images):
    content = packed(request(op="predict", inputs=images))
    greeting, first, second = conversation(network, 2 * content)
    assert greeting.content == {"ok": True, **described(network)}
    assert greeting.content["input_shape"] == [1, 8, 8]
    assert first.content == {"ok": True}
    expected = network.predict(images)
    for each in (first, second):
        np.testing.assert_array_equal(each.arrays["probabilities"], expected)


def test_a_bad_request_is_refused_and_the_next_is_answered(network, images):
    good = packed(request(op="predict", inputs=images))
    header = b"no json"
    bad = LENGTHS.pack(len(header), 0) + header
    _, refusal, answer = conversation(network, bad + good)
    assert refusal.content["ok"] is False
    assert "no JSON" in refusal.content["problem"]
    assert answer.content["ok"] is True


def test_a_stream_without_sense_is_refused_and_left(network, images):
    good = packed(request(op="predict", inputs=images))
    bad = LENGTHS.pack(0, MAX_BYTES + 1)
    _, refusal = conversation(network, bad + good)
    assert refusal.content["ok"] is False


def test_it_ends_when_nothing_comes(network):
    requests, sender = os.pipe()
    answers = io.BytesIO()
    with os.fdopen(requests, "rb", 0) as source, os.fdopen(sender, "wb"):
        serve(network, source, answers, idle=0.05)  # the stream stays open
    answers.seek(0)
    assert read_message(answers).content["ok"] is True


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({}, "op must be one of predict, occlude"),
        ({"op": "train"}, "op must be one of"),
        ({"op": ["predict"]}, "op must be one of"),
        ({"op": "predict"}, "got none"),
        ({"op": "predict", "inputs": np.zeros((2, 1, 8, 8))}, "inputs must be uint8"),
        ({"op": "predict", "inputs": np.zeros((2, 8, 8), np.uint8)}, r"\[N, \*\[1, 8"),
        ({"op": "predict", "inputs": np.zeros((0, 1, 8, 8), np.uint8)}, "1 to 4096"),
        (
            {"op": "predict",
             "inputs": np.zeros((MAX_INPUTS + 1, 1, 8, 8), np.uint8)}, "1 to 4096",
        ),
        ({"op": "occlude", "inputs": np.zeros((2, 1, 8, 8), np.uint8)}, "one image"),
        ({"op": "occlude", "inputs": np.zeros((1, 1, 8, 8), np.uint8)}, "whole"),
        (
            {"op": "occlude", "inputs": np.zeros((1, 1, 8, 8), np.uint8),
             "patch": 2.5, "stride": 1}, "must be whole",
        ),
        (
            {"op": "occlude", "inputs": np.zeros((1, 1, 8, 8), np.uint8),
             "patch": 9, "stride": 1}, r"patch must be in 1\.\.8",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_told_why(network, content, told):
    answer = answered(network, request(**content))
    assert answer.content["ok"] is False
    with pytest.raises(ValueError, match=told):
        raise ValueError(answer.content["problem"])


def test_points_are_not_occluded(moons):
    network = Network(load_trained(moons))
    points = np.zeros((1, 2), np.float32)
    answer = answered(network, request(op="occlude", inputs=points, patch=1, stride=1))
    assert answer.content == {"ok": False, "problem": "occlude takes one image."}
    assert answered(network, request(op="predict", inputs=points)).content["ok"] is True


def test_an_occlusion_says_by_how_many_samples(network, images):
    answer = answered(
        network, request(op="occlude", inputs=images[:1], patch=3, stride=1)
    )
    used = min(network.num_samples, OCCLUSION_SAMPLES)
    assert answer.content == {"ok": True, "num_samples": used}
    before = network.predict(images[:1])[:used].mean(0).max()
    assert answer.arrays["confidence_before"] == pytest.approx(before)
    assert {answer.arrays[name].shape for name in MAPS} == {(8, 8)}


def test_outputs_that_are_no_numbers_are_refused(network, images, monkeypatch):
    monkeypatch.setattr(
        network, "predict", lambda *_: np.full((1, 20, 10), np.nan, np.float32)
    )
    answer = answered(network, request(op="predict", inputs=images))
    assert "not finite" in answer.content["problem"]

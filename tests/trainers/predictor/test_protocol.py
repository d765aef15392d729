"""Tests of the messages between the dashboard and a predictor."""

import io
import json

import numpy as np
import pytest

from trainers.predictor.protocol import (
    LENGTHS,
    MAX_BYTES,
    MAX_HEADER,
    TYPES,
    BrokenStreamError,
    Message,
    ProtocolError,
    read_message,
    write_message,
)


class Dribbling(io.BytesIO):
    """A pipe that gives three bytes at a time, whatever is asked for."""

    def read(self, size=-1):
        return super().read(min(size, 3))


def written(message):
    stream = io.BytesIO()
    write_message(stream, message)
    return stream.getvalue()


def raw(header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return LENGTHS.pack(len(text), len(body)) + text + body


@pytest.mark.parametrize("stream", [io.BytesIO, Dribbling])
def test_a_message_arrives_as_it_was_sent(stream):
    arrays = {name: np.arange(6).reshape(2, 3).astype(name) for name in TYPES}
    arrays |= {"empty": np.zeros((0, 4)), "number": np.asarray(2.5)}
    arrays["turned"] = np.arange(6.0).reshape(2, 3).T
    content = {"op": "predict", "patch": 3, "text": "ä"}
    source = stream(2 * written(Message(content, arrays)))
    for _ in range(2):
        found = read_message(source)
        assert found.content == content
        assert set(found.arrays) == set(arrays)
        for name, array in arrays.items():
            assert found.arrays[name].dtype == array.dtype
            np.testing.assert_array_equal(found.arrays[name], array)
    assert read_message(source) is None


@pytest.mark.parametrize(
    "array", [np.array([{}], dtype=object), np.array(["a"]), np.zeros(2, complex)]
)
def test_what_is_no_plain_array_is_not_sent(array):
    with pytest.raises(ProtocolError, match="must be one of"):
        written(Message({}, {"a": array}))


def test_too_much_is_not_sent_and_not_read():
    with pytest.raises(BrokenStreamError, match="at most"):
        written(Message({"text": "x" * MAX_HEADER}))
    with pytest.raises(BrokenStreamError, match="at most"):
        read_message(io.BytesIO(LENGTHS.pack(2, MAX_BYTES + 1) + b"{}"))


@pytest.mark.parametrize("kept", [5, 14, 30])
def test_a_message_that_ends_early_breaks_the_stream(kept):
    whole = written(Message({"op": "predict"}, {"inputs": np.zeros(9)}))
    with pytest.raises(BrokenStreamError, match=r"ends early|ends in its lengths"):
        read_message(io.BytesIO(whole[:kept]))


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (b"nonsense", b""),
        (b"[" * 5000, b""),
        ([1], b""),
        ({}, b""),
        ({"arrays": 3}, b""),
        ({"arrays": [["a", "object", [1]]]}, b"12345678"),
        ({"arrays": [["a", "uint8", [-1]]]}, b""),
        ({"arrays": [["a", "uint8", [True]]]}, b"1"),
        ({"arrays": [["a", "uint8", [1] * 7]]}, b"1"),
        ({"arrays": [["a", "uint8", [3]]]}, b"12"),
        ({"arrays": [["a", "uint8", [2**28] * 6]]}, b"12"),
        ({"arrays": [["a", "uint8", [1]]]}, b"12"),
        ({"arrays": [["a", "uint8", [1]], ["a", "uint8", [1]]]}, b"12"),
        ({"arrays": [[["a"], "uint8", [1]]]}, b"1"),
        ({"arrays": ["abc"]}, b""),
    ],
)
def test_a_bad_message_is_told_and_the_next_one_is_read(header, body):
    good = Message({"op": "predict"}, {"inputs": np.zeros(2)})
    stream = io.BytesIO(raw(header, body) + written(good))
    with pytest.raises(ProtocolError) as raised:
        read_message(stream)
    assert not isinstance(raised.value, BrokenStreamError)
    assert read_message(stream).content == good.content

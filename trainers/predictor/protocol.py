"""Messages between the dashboard and a predictor: some JSON and some arrays.

A message is two lengths (big-endian, 4 bytes of the JSON and 8 of the bytes behind it),
a JSON object and the bytes of the arrays, one after another. "arrays" in the object
says which: name, dtype and shape of each. Nothing in it can run code. Torch-free.
"""

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

LENGTHS = struct.Struct(">IQ")
MAX_HEADER, MAX_BYTES = 2**16, 2**28
TYPES = ("uint8", "int64", "float32", "float64")
MAX_DIMENSIONS = 6


class ProtocolError(ValueError):
    """What came is no message; behind it the next one begins."""


class BrokenStreamError(ProtocolError):
    """What came has no end that can be found: nothing behind it can be understood."""


@dataclass(frozen=True)
class Message:
    """A request or an answer.

    Args:
        content: JSON values by name.
        arrays: Arrays by name, of one of `TYPES`.
    """

    content: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def write_message(stream: BinaryIO, message: Message) -> None:
    """Send a message whole.

    Args:
        stream: Where to.
        message: What.

    Raises:
        BrokenStreamError: If it is larger than what the other side takes.
        ProtocolError: If an array is of a type that cannot be sent.
    """
    described, parts = [], []
    for name, array in message.arrays.items():
        if array.dtype.name not in TYPES:
            raise ProtocolError(f"{name} must be one of {TYPES}, got {array.dtype}.")
        described.append([name, array.dtype.name, list(array.shape)])
        parts.append(np.ascontiguousarray(array).tobytes())
    header = json.dumps({**message.content, "arrays": described}).encode()
    size = sum(map(len, parts))
    _check_lengths(len(header), size)
    stream.write(LENGTHS.pack(len(header), size) + header)
    for part in parts:
        stream.write(part)
    stream.flush()


def read_message(stream: BinaryIO) -> Message | None:
    """Receive a message.

    Args:
        stream: Where from.

    Returns:
        The message, None when the other side has closed the stream.

    Raises:
        BrokenStreamError: If it ends early, or is larger than allowed.
        ProtocolError: If what came is none.
    """
    start = _exactly(stream, LENGTHS.size)
    if not start:
        return None
    if len(start) < LENGTHS.size:
        raise BrokenStreamError("the message ends in its lengths.")
    num_header, num_bytes = LENGTHS.unpack(start)
    _check_lengths(num_header, num_bytes)
    header, body = _exactly(stream, num_header), _exactly(stream, num_bytes)
    if len(header) < num_header or len(body) < num_bytes:
        raise BrokenStreamError("the message ends early.")
    try:
        content = json.loads(header)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"the header is no JSON: {error}") from None
    if not isinstance(content, dict):
        raise ProtocolError("the header is no JSON object.")
    return Message(content, _arrays(content.pop("arrays", None), body))


def _exactly(stream: BinaryIO, size: int) -> bytes:
    """Read so many bytes, fewer only at the stream's end; a pipe gives some of them."""
    parts: list[bytes] = []
    while size > 0 and (part := stream.read(min(size, 2**20))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _check_lengths(num_header: int, num_bytes: int) -> None:
    if num_header > MAX_HEADER or num_bytes > MAX_BYTES:
        raise BrokenStreamError(
            f"a message has at most {MAX_HEADER} bytes of JSON and {MAX_BYTES} of "
            f"arrays, got {num_header} and {num_bytes}."
        )


def _arrays(described: Any, body: bytes) -> dict[str, NDArray[Any]]:
    if not isinstance(described, list):
        raise ProtocolError("the header does not say which arrays there are.")
    arrays: dict[str, NDArray[Any]] = {}
    place = 0
    for each in described:
        name, dtype, shape = _description(each)
        size = math.prod(shape) * dtype.itemsize
        if name in arrays or place + size > len(body):
            raise ProtocolError(f"array {name!r} is there twice, or not whole.")
        flat = np.frombuffer(body, dtype, math.prod(shape), place)
        arrays[name] = flat.reshape(shape)
        place += size
    if place != len(body):
        raise ProtocolError(f"{len(body) - place} bytes belong to no array.")
    return arrays


def _description(each: Any) -> tuple[str, np.dtype[Any], tuple[int, ...]]:
    try:
        name, dtype, shape = each
        fine = isinstance(name, str) and dtype in TYPES and len(shape) <= MAX_DIMENSIONS
        fine = fine and all(type(k) is int and 0 <= k <= MAX_BYTES for k in shape)
    except (TypeError, ValueError):
        fine = False
    if not fine:
        raise ProtocolError(f"{each!r} describes no array.")
    return name, np.dtype(dtype), tuple(shape)

"""The loop of a predictor: a request, an answer, and when to end."""

import logging
import select
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from trainers.predictor.network import Network
from trainers.predictor.occlusion import occlude
from trainers.predictor.protocol import (
    BrokenStreamError,
    Message,
    ProtocolError,
    read_message,
    write_message,
)

logger = logging.getLogger(__name__)
IDLE = 600.0  # seconds without a request after which it ends
MAX_INPUTS = 4096  # of one request
# An occlusion map takes hundreds of images: so many samples show it as well as all.
OCCLUSION_SAMPLES = 8


def serve(
    network: Network, requests: BinaryIO, answers: BinaryIO, idle: float = IDLE
) -> None:
    """Answer until the other side closes the stream or has been silent for long.

    Args:
        network: What predicts.
        requests: Where requests come from, unbuffered.
        answers: Where answers go.
        idle: Seconds of silence.
    """
    write_message(answers, Message({"ok": True, **described(network)}))
    while _something_comes(requests, idle):
        try:
            request = read_message(requests)
        except ProtocolError as error:
            write_message(answers, _refusal(str(error)))
            if isinstance(error, BrokenStreamError):
                return
            continue
        if request is None:
            return
        write_message(answers, answered(network, request))
    logger.info("No request for %g s: it ends.", idle)


def described(network: Network) -> dict[str, Any]:
    """What the other side may want to know of the network."""
    return {
        "input_shape": list(network.input_shape),
        "num_classes": network.num_classes,
        "num_samples": network.num_samples,
    }


def answered(network: Network, request: Message) -> Message:
    """Answer a request; one that cannot be is told why, and the next may come.

    Args:
        network: What predicts.
        request: "op" is "predict" with the array "inputs" ``[N, *input_shape]``, or
            "occlude" with one of them in "inputs", and "patch" and "stride".

    Returns:
        "ok", and arrays: "probabilities" ``[S, N, C]``, or what `occlude` returns.
    """
    try:
        return _operation(request)(network, request)
    except (ValueError, RuntimeError, MemoryError) as error:
        logger.exception("A request could not be answered.")
        return _refusal(str(error) or type(error).__name__)


def _operation(request: Message) -> Callable[[Network, Message], Message]:
    operations: dict[str, Callable[[Network, Message], Message]] = {
        "predict": _predict,
        "occlude": _occlude,
    }
    name = request.content.get("op")
    if not isinstance(name, str) or name not in operations:
        raise ValueError(f"op must be one of {', '.join(operations)}, got {name!r}.")
    return operations[name]


def _predict(network: Network, request: Message) -> Message:
    probabilities = network.predict(_inputs(network, request))
    _check_finite(probabilities)
    return Message({"ok": True}, {"probabilities": probabilities})


def _occlude(network: Network, request: Message) -> Message:
    inputs = _inputs(network, request)
    if network.fill is None or len(inputs) != 1:
        raise ValueError("occlude takes one image.")
    patch, stride = (request.content.get(name) for name in ("patch", "stride"))
    if type(patch) is not int or type(stride) is not int:
        raise ValueError(f"patch and stride must be whole, got {patch!r}, {stride!r}.")

    def predict(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        found = network.predict(images, OCCLUSION_SAMPLES)
        _check_finite(found)
        return found

    maps = occlude(predict, inputs[0], network.fill, patch, stride)
    used = min(network.num_samples, OCCLUSION_SAMPLES)
    return Message({"ok": True, "num_samples": used}, maps)


def _inputs(network: Network, request: Message) -> NDArray[Any]:
    inputs = request.arrays.get("inputs")
    shape = tuple(network.input_shape)
    wanted = np.float32 if network.fill is None else np.uint8
    if inputs is None or inputs.shape[1:] != shape or inputs.dtype != wanted:
        got = "none" if inputs is None else f"{inputs.dtype} {list(inputs.shape)}"
        name = np.dtype(wanted).name
        raise ValueError(f"inputs must be {name} [N, *{list(shape)}], got {got}.")
    if not 1 <= len(inputs) <= MAX_INPUTS:
        raise ValueError(f"inputs must be 1 to {MAX_INPUTS}, got {len(inputs)}.")
    return inputs


def _check_finite(probabilities: NDArray[np.float32]) -> None:
    if not np.isfinite(probabilities).all():
        raise ValueError("the network's outputs are not finite.")


def _refusal(problem: str) -> Message:
    return Message({"ok": False, "problem": problem[:2000]})


def _something_comes(requests: BinaryIO, idle: float) -> bool:
    ready, _, _ = select.select([requests], [], [], idle)
    return bool(ready)

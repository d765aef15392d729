"""What backward passes finish is offered to be sent, while they run."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial

from torch import Tensor, nn

from ..curvature.kronecker.capture import FactorCapture
from ..distributed import EarlySums


@contextmanager
def offering(
    sums: EarlySums, parameters: Mapping[str, nn.Parameter], capture: FactorCapture
) -> Iterator[None]:
    """Offer gradients and statistics that the passes within the context finish.

    A gradient is finished once it was accumulated; statistics are once backward has
    been at all uses of their block. Nothing is offered where a DistributedDataParallel
    exchanges gradients at the same time: all ranks must begin all exchanges in the same
    order.

    Args:
        sums: Sends them.
        parameters: By name; those whose gradients are wanted.
        capture: Gathers statistics, and counts examples.

    Yields:
        Nothing.
    """

    def offer(name: object, value: Tensor | None) -> None:
        num_examples = capture.lone_examples()
        if value is not None and num_examples and not capture.in_parallel:
            sums.offer(name, value, num_examples)

    def offer_gradient(name: str, parameter: Tensor) -> None:
        offer(name, parameter.grad)

    def offer_statistics(block: str) -> None:
        for key, moment in capture.so_far(block).items():
            offer(key, moment.value)

    with ExitStack() as stack:
        before, capture.on_settled = capture.on_settled, offer_statistics
        stack.callback(setattr, capture, "on_settled", before)
        for name, parameter in parameters.items():
            if parameter.requires_grad:
                hook = partial(offer_gradient, name)
                handle = parameter.register_post_accumulate_grad_hook(hook)
                stack.callback(handle.remove)
        yield

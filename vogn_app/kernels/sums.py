"""Sums over examples of gradients and of their squares.

N examples, T tokens, C channels, P positions or parameters, D features, I inputs and
O outputs of a layer. Every function takes tensors that `supports` accepts, and makes
new ones.
"""

from torch import Tensor

from .build import STRIP, STRIPE
from .library import function
from .threads import in_parts

Pair = tuple[Tensor, Tensor]


def token_sums(x: Tensor, g: Tensor) -> Pair:
    """Sum and sum of squares of the contributions `g_n^T x_n` of examples.

    Args:
        x: Input of a Linear layer [N, T, I].
        g: Gradient of its output [N, T, O].

    Returns:
        `sum_n g_n^T x_n` and `sum_n (g_n^T x_n)^2`, each [O, I].

    Raises:
        MemoryError: If there is no room for a part of x.
    """
    (num, tokens, inputs), outputs = x.shape, g.shape[2]
    assert g.shape[:2] == x.shape[:2]
    size = (outputs, inputs)
    if x.numel() == 0 or g.numel() == 0:
        return x.new_zeros(size), x.new_zeros(size)
    sums, squares = x.new_empty(size), x.new_empty(size)
    sizes = (num, tokens, inputs, outputs)
    call = function("token_sums", x.dtype)

    def run(begin: int, end: int) -> None:
        if call(*_data(x, g, sums, squares), *sizes, begin, end):
            raise MemoryError("token_sums found no memory to work in.")

    in_parts(run, -(-outputs // STRIPE), 0.03 * x.numel() * outputs)
    return sums, squares


def row_sums(contributions: Tensor) -> Pair:
    """Sum and sum of squares over rows.

    Args:
        contributions: Contributions of examples [N, P].

    Returns:
        Sum over N and sum of squares over N, each [P].
    """
    num, columns = contributions.shape
    sums, squares = (contributions.new_empty(columns) for _ in range(2))
    call = function("row_sums", contributions.dtype)

    def run(begin: int, end: int) -> None:
        call(*_data(contributions, sums, squares), num, columns, begin, end)

    in_parts(run, -(-columns // STRIP), 0.1 * contributions.numel())
    return sums, squares


def channel_sums(x: Tensor, g: Tensor, mean: Tensor, scale: Tensor) -> Pair:
    """Contributions of examples to scale and shift of a norm layer over channels.

    Args:
        x: Input of the layer [N, C, P].
        g: Gradient of its output [N, C, P].
        mean: What the layer subtracts, [C], or [N, C] where examples differ.
        scale: What it multiplies by, 1 / deviation, in the shape of `mean`.

    Returns:
        `scale * sum_p g (x - mean)` and `sum_p g`, each [N, C].
    """
    num, channels, positions = x.shape
    own = mean.ndim == 2
    assert g.shape == x.shape
    assert mean.shape == scale.shape == x.shape[0 if own else 1 : 2]
    products, plains = (x.new_empty(num, channels) for _ in range(2))
    call = function("channel_sums", x.dtype)

    def run(begin: int, end: int) -> None:
        data = _data(x, g, mean, scale, products, plains)
        call(*data, channels, positions, own, begin, end)

    in_parts(run, num, 0.15 * x.numel())
    return products, plains


def token_norm_sums(x: Tensor, g: Tensor, mean: Tensor, scale: Tensor) -> Pair:
    """Contributions of examples to scale and shift of a norm layer over features.

    Args:
        x: Input of the layer [N, T, D].
        g: Gradient of its output [N, T, D].
        mean: What the layer subtracts [N, T].
        scale: What it multiplies by, 1 / deviation [N, T].

    Returns:
        `sum_t g (x - mean) scale` and `sum_t g`, each [N, D].
    """
    num, tokens, features = x.shape
    assert g.shape == x.shape
    assert mean.shape == scale.shape == x.shape[:2]
    products, plains = (x.new_empty(num, features) for _ in range(2))
    call = function("token_norm_sums", x.dtype)

    def run(begin: int, end: int) -> None:
        data = _data(x, g, mean, scale, products, plains)
        call(*data, tokens, features, begin, end)

    in_parts(run, num, 0.15 * x.numel())
    return products, plains


def _data(*tensors: Tensor) -> list[int]:
    return [tensor.data_ptr() for tensor in tensors]

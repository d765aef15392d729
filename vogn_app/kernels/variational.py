"""Steps of optimizers at drawn weights that need no squares of single examples.

As in `updates`, the lists of one call go together, and `supports` accepts all tensors.
"""

from torch import Tensor
from torch.autograd.graph import increment_version

from .library import NUMBER, addresses, function
from .threads import in_parts
from .updates import num_blocks, sizes_of


def product_(
    products: list[Tensor],
    samples: list[Tensor],
    means: list[Tensor],
    gradients: list[Tensor],
) -> None:
    """Noise times gradient: `(sample - mean) gradient`.

    Args:
        products: Written.
        samples: Drawn weights.
        means: Their means.
        gradients: At the drawn weights.
    """
    if not products:
        return
    every = (products, samples, means, gradients)
    sizes = sizes_of(*every)
    lists = [addresses(each) for each in every]
    call = function("product", products[0].dtype)

    def run(begin: int, end: int) -> None:
        call(*lists, sizes, begin, end)

    in_parts(run, num_blocks(products), 0.4 * sum(sizes))
    increment_version(products)


def ivon_update_(
    means: list[Tensor],
    gradients: list[Tensor],
    products: list[Tensor] | None,
    momenta: list[Tensor],
    curvatures: list[Tensor],
    corrections: list[float],
    *,
    momentum: float,
    decay: float,
    slope: float,
    prior: float,
    floor: float,
    least: float,
    rate: float,
    radius: float,
) -> None:
    """One IVON step in place, symbols as in `vogn_app.optim.ivon`.

    m = momentum m + (1 - momentum) g, c = s + floor,
    e = (1 - decay) (slope c u - s), c = max(c + e + e^2 / (2 c), least), s = c - floor,
    mu -= rate clip((correction m + prior mu) / c, radius).

    Args:
        means: mu, changed.
        gradients: g, left alone.
        products: u, left alone; None leaves s as it is.
        momenta: m, changed.
        curvatures: s, changed unless `products` is None.
        corrections: Of each tensor's m.
        momentum: Weight of the past in m.
        decay: Weight of the past in s.
        slope: N / tau.
        prior: tau delta / N.
        floor: gamma + tau delta / N.
        least: Smallest c.
        rate: Learning rate.
        radius: Largest change before it.
    """
    if not means:
        return
    every = (means, gradients, products, momenta, curvatures)
    sizes = sizes_of(*(tensors for tensors in every if tensors is not None))
    assert len(corrections) == len(means)
    lists = [None if tensors is None else addresses(tensors) for tensors in every]
    each = (NUMBER * len(means))(*corrections)
    numbers = (momentum, decay, slope, prior, floor, least, rate, radius)
    call = function("ivon_update", means[0].dtype)

    def run(begin: int, end: int) -> None:
        call(*lists, sizes, each, *numbers, begin, end)

    in_parts(run, num_blocks(means), 0.8 * sum(sizes))
    increment_version([*means, *momenta, *([] if products is None else curvatures)])


def vadam_update_(
    means: list[Tensor],
    gradients: list[Tensor],
    momenta: list[Tensor],
    curvatures: list[Tensor],
    rates: list[float],
    corrections: list[float],
    *,
    momentum: float,
    decay: float,
    prior: float,
    floor: float,
) -> None:
    """One Vadam step in place, symbols as in `vogn_app.optim.vadam`.

    m = momentum m + (1 - momentum) (g + prior mu), s = decay s + (1 - decay) g^2,
    mu -= rate m / (sqrt(correction s) + floor).

    Args:
        means: mu, changed.
        gradients: g, left alone.
        momenta: m, changed.
        curvatures: s, changed.
        rates: Learning rate over 1 - momentum^t, for each tensor.
        corrections: 1 / (1 - decay^t), for each tensor.
        momentum: Weight of the past in m.
        decay: Weight of the past in s.
        prior: tau delta / N.
        floor: What is added to the root.
    """
    if not means:
        return
    every = (means, gradients, momenta, curvatures)
    sizes = sizes_of(*every)
    assert len(rates) == len(corrections) == len(means)
    lists = [addresses(tensors) for tensors in every]
    each = [(NUMBER * len(means))(*numbers) for numbers in (rates, corrections)]
    call = function("vadam_update", means[0].dtype)

    def run(begin: int, end: int) -> None:
        call(*lists, sizes, *each, momentum, decay, prior, floor, begin, end)

    in_parts(run, num_blocks(means), 0.7 * sum(sizes))
    increment_version([*means, *momenta, *curvatures])

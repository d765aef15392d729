"""What a person should know of images of their own before training on them."""

from collections.abc import Iterator

from data.overview import Overview

SMALL = 20  # images of a class, below which its measures say little
UNEVEN = 3  # times the images of the smallest class
_NAMED = 3  # classes without images


def cautions(found: Overview) -> list[str]:
    """What a person should know before training on it, in sentences."""
    return [*_refusals(found), *_imbalance(found), *_unlike(found)]


def _refusals(found: Overview) -> Iterator[str]:
    """What a training would stop at."""
    if found.misplaced:
        yield f"A training refuses this folder as it is: {found.misplaced}"
    empty = [
        name
        for name, count in zip(found.class_names, found.counts, strict=True)
        if not count
    ]
    if empty:
        more = f" and {len(empty) - _NAMED} more" if len(empty) > _NAMED else ""
        yield (
            f"No images of {', '.join(empty[:_NAMED])}{more}: a training refuses a "
            "class without any."
        )


def _imbalance(found: Overview) -> Iterator[str]:
    if found.is_partial:  # of which the last classes have more images than are known
        return
    ordered = sorted(zip(found.counts, found.class_names, strict=True))
    (fewest, rarest), (most, commonest) = ordered[0], ordered[-1]
    if fewest and most >= UNEVEN * fewest:
        yield (
            f"Uneven classes: {most:,} images of {commonest} and {fewest:,} of {rarest}"
            f", {most / fewest:.1f} times fewer. Accuracy will say most of the former."
        )
    small = sum(count < SMALL for count in found.counts)
    if small:
        yield (
            f"Fewer than {SMALL} images in {small} of {len(ordered)} classes: what is "
            "measured of them is rough."
        )


def _unlike(found: Overview) -> Iterator[str]:
    if found.num_sizes > 1:
        yield (
            f"Images of {found.num_sizes} sizes: a training needs one. Pack the folder "
            "and upload it, which brings them to one size."
        )
    if 0 < found.num_grey < found.num_opened:
        yield (
            f"{found.num_grey:,} of {found.num_opened:,} images are grey, the others "
            "in colour: a training needs all alike. An upload makes them so."
        )

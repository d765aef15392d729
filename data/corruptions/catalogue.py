"""What is known of each corruption: plain data without heavy imports."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

SEVERITIES = (1, 2, 3, 4, 5)

Group = Literal["noise", "blur", "weather", "digital", "geometry"]


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """One kind of corruption.

    Args:
        name: Key in `CORRUPTIONS`.
        group: "noise", "blur", "weather", "digital" or "geometry".
        description: What it looks like, in a line.
        parameters: Names of its settings, with their units.
        severities: Values of the settings at severity 1, 2, 3, 4 and 5.
    """

    name: str
    group: Group
    description: str
    parameters: tuple[str, ...]
    severities: tuple[tuple[float, ...], ...]


_ALL = (
    Corruption(
        name="gaussian_noise",
        group="noise",
        description="normal noise, as in low light",
        parameters=("deviation on the scale 0..1",),
        severities=((0.04,), (0.06,), (0.08,), (0.09,), (0.1,)),
    ),
    Corruption(
        name="shot_noise",
        group="noise",
        description="Poisson noise of few photons: bright places are noisier",
        parameters=("photons of a white pixel",),
        severities=((500,), (250,), (100,), (75,), (50,)),
    ),
    Corruption(
        name="impulse_noise",
        group="noise",
        description="salt and pepper: pixels that fail black or white",
        parameters=("share of the pixels",),
        severities=((0.01,), (0.02,), (0.03,), (0.05,), (0.07,)),
    ),
    Corruption(
        name="defocus_blur",
        group="blur",
        description="out of focus: each point becomes a disk",
        parameters=("radius in pixels", "softness of its edge in pixels"),
        severities=((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
    ),
    Corruption(
        name="glass_blur",
        group="blur",
        description="seen through frosted glass: pixels trade places nearby",
        parameters=("blur in pixels", "reach in pixels", "rounds"),
        severities=((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    ),
    Corruption(
        name="motion_blur",
        group="blur",
        description="the camera moved, in a random direction",
        parameters=("longest trace in pixels", "its deviation in pixels"),
        severities=((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    ),
    Corruption(
        name="zoom_blur",
        group="blur",
        description="the camera moved towards the object",
        parameters=("largest zoom", "number of zooms"),
        severities=((1.05, 6), (1.1, 11), (1.15, 16), (1.2, 21), (1.25, 26)),
    ),
    Corruption(
        name="snow",
        group="weather",
        description="flakes with traces, and whiter colours",
        parameters=(
            "mean of the flakes",
            "deviation of the flakes",
            "size of the flakes",
            "threshold of a flake",
            "longest trace in pixels",
            "its deviation in pixels",
            "share of the old colours",
        ),
        severities=(
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
    ),
    Corruption(
        name="frost",
        group="weather",
        description="ice on the lens",
        parameters=("share of the image", "share of the ice"),
        severities=((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
    ),
    Corruption(
        name="fog",
        group="weather",
        description="clouds in front, which take contrast away",
        parameters=("thickness", "decay of the clouds' details"),
        severities=((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
    ),
    Corruption(
        name="brightness",
        group="digital",
        description="overexposed",
        parameters=("added to the brightness on the scale 0..1",),
        severities=((0.05,), (0.1,), (0.15,), (0.2,), (0.3,)),
    ),
    Corruption(
        name="contrast",
        group="digital",
        description="greyer: all pixels closer to the image's mean",
        parameters=("share of the contrast that is left",),
        severities=((0.75,), (0.5,), (0.4,), (0.3,), (0.15,)),
    ),
    Corruption(
        name="elastic_transform",
        group="digital",
        description="stretched and bent at random",
        parameters=(
            "strength as a share of the side",
            "smoothness as a share of the side",
            "move of three corners as a share of the side",
        ),
        severities=(
            (0, 0, 0.03),
            (0.05, 0.2, 0.05),
            (0.08, 0.06, 0.06),
            (0.1, 0.04, 0.07),
            (0.1, 0.03, 0.08),
        ),
    ),
    Corruption(
        name="pixelate",
        group="digital",
        description="enlarged from fewer pixels",
        parameters=("share of the resolution",),
        severities=((0.95,), (0.9,), (0.85,), (0.75,), (0.65,)),
    ),
    Corruption(
        name="jpeg_compression",
        group="digital",
        description="stored as a small JPEG file",
        parameters=("quality 1..95",),
        severities=((80,), (65,), (58,), (50,), (40,)),
    ),
    Corruption(
        name="rotation",
        group="geometry",
        description="turned to the left, with black corners",
        parameters=("degrees",),
        severities=((15,), (30,), (45,), (60,), (75,)),
    ),
)

CORRUPTIONS = MappingProxyType({each.name: each for each in _ALL})


def corruption(name: str) -> Corruption:
    """The entry of a kind.

    Args:
        name: Key in `CORRUPTIONS`.

    Raises:
        ValueError: If there is no such kind.
    """
    if name not in CORRUPTIONS:
        raise ValueError(
            f"corruption must be one of {', '.join(CORRUPTIONS)}, got {name!r}."
        )
    return CORRUPTIONS[name]

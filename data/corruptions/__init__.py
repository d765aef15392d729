"""Images as bad conditions would have them: noise, blur, weather, bad storage, turns.

The 15 kinds at 5 severities of Hendrycks and Dietterich (2019), "Benchmarking neural
network robustness to common corruptions and perturbations" (arXiv:1903.12261), and
rotation, the shift of Ovadia et al. (2019), arXiv:1906.02530. The catalogue is here,
`data.corruptions.apply.corrupt` does it.

*Settings* are those that the authors published CIFAR-10-C with, made for images of 32
pixels. Lengths in pixels grow with the image above 32 pixels and stay below, where a
blur of a fraction of a pixel would do nothing. Noise is per pixel at any size.

*Departures*, since the authors' photographs, ImageMagick and OpenCV are not needed here
and a picture must not depend on its neighbours in a batch:

- Frost is a procedural texture of ice, not one of six photographs of it.
- Fog is a sum of octaves of interpolated noise, not of the diamond-square algorithm.
- Motion runs in steps of whole pixels.
- The random affine map of elastic transforms grows with severity. In the authors' table
  it shrinks from 0.08 to 0.03 of the side, so that their severity 1 moves more than 2.
- Blocks of pixelate grow with the square root of the size above 32 pixels.
- Numbers are rounded to bytes, not cut off.

So results may be set beside each other here, and not beside published ones.
"""

from data.corruptions.catalogue import (
    CORRUPTIONS,
    SEVERITIES,
    Corruption,
    corruption,
)

__all__ = ["CORRUPTIONS", "SEVERITIES", "Corruption", "corruption"]

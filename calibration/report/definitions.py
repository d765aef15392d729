"""Where the report's renderers look up measures."""

from calibration.definitions import FPR95_DEFINITION, MEASURES, Definition

__all__ = ["FPR95_DEFINITION", "MEASURES", "Definition"]

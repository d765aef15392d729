"""What a posterior says of each layer, as rows for JSON."""

from dataclasses import asdict
from typing import Any

from vogn_app.posterior import Posterior


def layer_rows(posterior: Posterior) -> list[dict[str, Any]]:
    """The summary of a posterior, layer by layer.

    Args:
        posterior: The posterior.

    Returns:
        One row a layer, with the fields of `vogn_app`'s `LayerSummary`. Numbers that
        are none, such as a KL divergence from no prior, are null.
    """
    return [_finite(asdict(row)) for row in posterior.summary()]


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    infinite = {k for k, v in row.items() if isinstance(v, float) and v - v != 0}
    return row | dict.fromkeys(infinite)

"""What plot.js does to colours, so that Plotly's Python checks take a figure."""

from typing import Any


def painted(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("@"):
        return "Blues" if value == "@sequential" else "rgb(1,2,3)"
    if isinstance(value, dict):
        return {key: painted(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [painted(item) for item in value]
    return value

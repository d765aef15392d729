"""What an AppTest page shows, in a form that assertions read well on."""

import json
from collections.abc import Iterable
from typing import Any

from streamlit.testing.v1 import AppTest

_TEXTS = ("markdown", "caption", "error", "info", "warning", "success", "code")


def text(app: AppTest) -> str:
    return _read(item.value for kind in _TEXTS for item in app.get(kind))


def errors(app: AppTest) -> str:
    return _read(item.value for item in app.error)


def _read(values: Iterable[Any]) -> str:
    # Without what keeps Markdown from reading text as markup, and addresses as links.
    unmarked = str.maketrans("", "", "\\\u2060")
    return "\n".join(str(value).translate(unmarked) for value in values)


def charts(app: AppTest) -> dict[str, dict[str, Any]]:
    """What the chart component was given, by the key of the chart."""
    return _mounted(app, "vogn_plot")


def notifier(app: AppTest) -> dict[str, Any]:
    """What the switch for notifications was given."""
    return _mounted(app, "vogn_notify")["notify"]


def _mounted(app: AppTest, component: str) -> dict[str, dict[str, Any]]:
    found = app.get("bidi_component")
    # An id is "$$ID-HASH-KEY".
    return {
        item.proto.id.split("-", 2)[2]: json.loads(item.proto.json)
        for item in found
        if item.proto.component_name == component
    }

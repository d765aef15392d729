"""Rows of the list of runs, selected as a click does; AppTest has no way of its own."""

from typing import Any

from streamlit.testing.v1 import AppTest


def select(app: AppTest, *rows: int) -> AppTest:
    """Select rows."""
    (key,) = [k for k in app.session_state.to_dict() if _is_table(k)]
    app.session_state[key] = {"selection": {"rows": list(rows), "columns": []}}
    return app.run()


def _is_table(key: Any) -> bool:
    return key.startswith("runs-") and not key.endswith("-open")

"""All optimizers at a glance: kinds, what each gives and costs, and who is of it."""

import streamlit as st

from trainers.kinds import KINDS, by_kind
from ui.components.formats import counted, plain


def kinds() -> None:
    """Show the table, folded."""
    found = by_kind()
    number = counted(sum(map(len, found.values())), "optimizer")
    with st.expander(f"All {number} at a glance", icon=":material/category:"):
        st.table(
            table(), border="horizontal", hide_index=True,
            alt="Kinds of optimizers, what each gives and costs, and which are of it",
        )  # fmt: skip


def table() -> dict[str, list[str]]:
    """A row a kind, in Markdown."""
    found = by_kind()
    return {
        "Kind": [f"**{plain(KINDS[name].title)}**" for name in found],
        "Optimizers": [
            ", ".join(plain(spec.title) for spec in specs) for specs in found.values()
        ],
        "Gives": [plain(KINDS[name].gives) for name in found],
        "Costs": [plain(KINDS[name].costs) for name in found],
    }

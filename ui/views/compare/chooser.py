"""What is compared is chosen here, and kept in the address."""

from collections.abc import Mapping, Sequence

import streamlit as st

from trainers.catalogue import model_spec, optimizer_spec
from trainers.families import data_name
from trainers.status import FINISHED
from ui.components import navigation
from ui.components.formats import counted, plain
from ui.components.navigation import BY, CHOSEN, SEEDS
from ui.components.reading import Summary
from ui.components.states import LOOKS
from ui.views.compare.address import (
    BASELINE,
    Asked,
    group_of,
    groups,
    joined,
)
from ui.views.compare.groups import (
    MOST,
    Entry,
    known_families,
    mergeable,
    newest_of_each,
)

_CHOICE, _MERGED, _BASE, _ADD = (
    "compare_choice", "compare_merged", "compare_base", "compare_add",
)  # fmt: skip
_MOST_TOLD = 5  # of unknown names
_LONGEST = 80  # characters of one


def chooser(views: Sequence[Summary], chosen: Asked) -> None:
    """Show what can be chosen from, and what is.

    Args:
        views: All runs, the newest first.
        chosen: What the address asks for.
    """
    by_id = {view.run.id: view for view in views}
    members = groups(views)
    st.session_state[_CHOICE] = list(chosen.tokens)
    st.multiselect(
        "Runs and groups", [*by_id, *members], key=_CHOICE,
        format_func=lambda token: _described(token, by_id, members),
        placeholder="Search by id, optimizer, model or dataset",
        on_change=_write_choice,
    )  # fmt: skip


def add(views: Sequence[Summary], chosen: Asked) -> None:
    """Offer whole families and groups.

    Args:
        views: All runs, the newest first.
        chosen: What the address asks for.
    """
    offered: dict[str, tuple[str, ...]] = {
        f"{name} ({counted(len(each), 'seed')})": tuple(view.run.id for view in each)
        for name, each in known_families(views).items()
    }
    offered |= {
        f"Group {group_of(token)} ({counted(len(each), 'run')})": (token,)
        for token, each in groups(views).items()
    }
    if not offered:
        return
    st.session_state[_ADD] = None
    st.selectbox(
        "Add a family or group", list(offered), index=None, key=_ADD, width=320,
        placeholder="All seeds of a setting, a sweep, a race",
        on_change=_write_added, args=(offered, chosen.tokens),
        help="Runs that differ in the seed alone become a mean with its deviation.",
    )  # fmt: skip


def merged(views: Sequence[Summary]) -> bool:
    """Ask whether seeds of the same settings become one entry, where there are such.

    Args:
        views: The runs that were chosen.
    """
    by_seeds = st.query_params.get(BY) == SEEDS
    if not mergeable(views):
        return by_seeds
    st.session_state[_MERGED] = by_seeds
    st.toggle(
        "Average over seeds", key=_MERGED, on_change=_write_merged,
        help="Runs that differ in nothing but the seed become one line: their mean, "
        "with a band of one standard deviation either way.",
    )  # fmt: skip
    return by_seeds


def baseline(entries: Sequence[Entry]) -> int:
    """Ask which entry the others are compared with, and return its place."""
    wanted = st.query_params.get(BASELINE, "")
    places = {view.run.id: e.place for e in entries for view in e.views}
    place = places.get(wanted, 0)
    if len(entries) < 2:
        return place
    names = {entry.id: entry.name for entry in entries}
    st.session_state[_BASE] = entries[place].id
    st.selectbox(
        "Baseline", list(names), key=_BASE, width=260, on_change=_write_baseline,
        args=(entries[0].id,), format_func=lambda name: names.get(name, name),
        help="What the others are compared with.",
    )  # fmt: skip
    return place


def told(chosen: Asked, left_out: int) -> None:
    """Say what the address asks for in vain."""
    if chosen.unknown:
        names = [plain(repr(name[:_LONGEST])) for name in chosen.unknown]
        more = len(names) - _MOST_TOLD
        shown = ", ".join(names[:_MOST_TOLD])
        and_more = f" and {more} more" if more > 0 else ""
        st.warning(
            f"There is no {shown}{and_more} here: deleted, or mistyped. What there is "
            "of the rest is shown.",
            icon=":material/search_off:",
        )
    if left_out:
        st.warning(
            f"The first {MOST} are compared; {left_out} more would not be told apart.",
            icon=":material/filter_list:",
        )


def empty(views: Sequence[Summary]) -> None:
    """Say what the page is for, and offer a first comparison."""
    if not views:
        navigation.empty_state(
            "No runs yet",
            "Two runs side by side: whose curves fall faster, whose probabilities can "
            "be trusted, and whether the difference is more than chance.",
            icon=":material/compare_arrows:",
        )
        return
    newest = newest_of_each(views)
    with st.container(
        border=True, horizontal_alignment="center", key="compare_empty", gap="small"
    ):
        st.space("small")
        st.markdown(
            "### :material/compare_arrows: Choose what to compare",
            text_alignment="center",
        )
        st.markdown(
            f"Up to {MOST} runs, or groups of them with mean and deviation over seeds. "
            "Pick them above, or select rows of the list of runs.",
            text_alignment="center",
        )
        with st.container(horizontal=True, horizontal_alignment="center"):
            if len(newest) > 1:
                st.button(
                    "Newest of each optimizer", type="primary",
                    icon=":material/bolt:", key="compare_newest", on_click=_write,
                    args=([view.run.id for view in newest],),
                )  # fmt: skip
            if st.button("List of runs", icon=":material/list:", key="compare_list"):
                navigation.open_page(navigation.RUNS)
        st.space("small")


def _described(
    token: str,
    by_id: Mapping[str, Summary],
    members: Mapping[str, Sequence[Summary]],
) -> str:
    if token in members:
        return f"Group {group_of(token)}, {counted(len(members[token]), 'run')}"
    view = by_id[token]
    config = view.config
    what = ""
    if config is not None:
        what = (
            f" · {optimizer_spec(config.optimizer.name).title}, "
            f"{model_spec(config.model.name).title}, {data_name(config.dataset)}, "
            f"seed {config.training.seed}"
        )
    state = LOOKS[view.state].label.lower()
    return f"{token}{what}" + ("" if view.state == FINISHED else f" · {state}")


def _write(tokens: Sequence[str]) -> None:
    """Give the address what a person chose."""
    if tokens:
        st.query_params[CHOSEN] = joined(tokens)
        return
    for name in (CHOSEN, BY, BASELINE):
        st.query_params.pop(name, None)


def _write_choice() -> None:
    _write(st.session_state[_CHOICE])


def _write_added(offered: Mapping[str, Sequence[str]], tokens: Sequence[str]) -> None:
    wanted = offered.get(st.session_state[_ADD] or "", ())
    if wanted:
        _write(list(dict.fromkeys([*tokens, *wanted])))
        st.query_params[BY] = SEEDS


def _write_merged() -> None:
    if st.session_state[_MERGED]:
        st.query_params[BY] = SEEDS
    else:
        st.query_params.pop(BY, None)


def _write_baseline(first: str) -> None:
    name = st.session_state[_BASE]
    if name and name != first:
        st.query_params[BASELINE] = name
    else:
        st.query_params.pop(BASELINE, None)

"""Which runs the list shows; the choice stands in the address, to keep and to share."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import streamlit as st

from data import DATASETS
from trainers.catalogue import MODELS, OPTIMIZERS, model_spec, optimizer_spec
from trainers.config import RunConfig
from trainers.kinds import KINDS, in_order, kind_of
from ui.components.navigation import GROUP, STATE
from ui.components.reading import Summary
from ui.components.states import LOOKS
from ui.views.runs import address

SEARCH, OPTIMIZER, MODEL = "search", "optimizer", "model"
DATASET, TAG, KIND = "dataset", "tag", "kind"
ARCHIVED, YES = "archived", "yes"  # /runs?archived=yes shows what was put away
LONGEST = 200  # characters of a search


@dataclass(frozen=True)
class Choice:
    """A filter by one of some values.

    Args:
        name: Its parameter in the address.
        none: What stands in it when nothing is chosen.
        values: The values of a run.
        title: A value for people.
        known: Whether a value that no run has may be in the address all the same.
        least: Number of values from which on there is something to choose.
        arranged: Brings the names into order.
        width: Pixels.
    """

    name: str
    none: str
    values: Callable[[Summary], Collection[str]]
    title: Callable[[str], str] = str
    known: Callable[[str], bool] = bool
    least: int = 1
    arranged: Callable[[Collection[str]], list[str]] = sorted
    width: int = 150


def _group(view: Summary) -> list[str]:
    return [view.group] if view.group else []


def _latest_first(names: Collection[str]) -> list[str]:
    return sorted(names, reverse=True)


def _kind(view: Summary) -> list[str]:
    return [kind_of(view.config.optimizer.name).name] if view.config else []


def _optimizer(view: Summary) -> list[str]:
    return [view.config.optimizer.name] if view.config else []


def _model(view: Summary) -> list[str]:
    return [view.config.model.name] if view.config else []


def _dataset(view: Summary) -> list[str]:
    return [view.config.dataset.name] if view.config else []


def _tags(view: Summary) -> Sequence[str]:
    return view.annotations.tags


Passes = Callable[[Summary], bool]
CHOICES = (
    Choice(GROUP, "Any group", _group, arranged=_latest_first, width=220),
    Choice(
        KIND, "Any kind", _kind, lambda name: KINDS[name].title, KINDS.__contains__,
        least=2, arranged=lambda names: [name for name in KINDS if name in names],
    ),
    Choice(
        OPTIMIZER, "Any optimizer", _optimizer,
        lambda name: optimizer_spec(name).title, OPTIMIZERS.__contains__, least=2,
        arranged=in_order,
    ),
    Choice(
        MODEL, "Any model", _model, lambda name: model_spec(name).title,
        MODELS.__contains__, least=2,
    ),
    Choice(
        DATASET, "Any dataset", _dataset, lambda name: DATASETS[name].title,
        DATASETS.__contains__, least=2,
    ),
    Choice(TAG, "Any tag", _tags),
)  # fmt: skip


def filters(views: Sequence[Summary], grouped: bool = False) -> list[Summary]:
    """Show the filters, and return the runs that pass; the states come last.

    Args:
        views: The runs.
        grouped: Whether groups are shown: then none of them is chosen here.
    """
    with st.container(horizontal=True, vertical_alignment="center"):
        passing = [_search()]
        passing += [
            _choose(choice, views)
            for choice in CHOICES
            if not (grouped and choice.name == GROUP)
        ]
        passing.append(_archive(views))
    return [view for view in views if all(passes(view) for passes in passing)]


def states(views: Sequence[Summary]) -> list[Summary]:
    """Show how many runs are in each state, and return those of the chosen one."""
    numbers = Counter(view.state for view in views)
    state = address.follow(STATE)
    if state not in LOOKS:
        state = None
        address.give(STATE, None)
    st.pills(
        "State", [name for name in LOOKS if numbers[name] or name == state],
        key=address.key(STATE), label_visibility="collapsed", on_change=address.write,
        args=(STATE,), format_func=lambda name: _pill(name, numbers[name]),
    )  # fmt: skip
    return [view for view in views if state in (None, view.state)]


def _search() -> Passes:
    address.follow(SEARCH)
    text = st.text_input(
        "Search", key=address.key(SEARCH), placeholder="Search runs", type="search",
        label_visibility="collapsed", max_chars=LONGEST, width=240,
        icon=":material/search:", on_change=address.write, args=(SEARCH,),
    )  # fmt: skip
    words = (text or "")[:LONGEST].casefold().split()
    return lambda view: not words or _holds(view, words)


def _holds(view: Summary, words: Sequence[str]) -> bool:
    """Whether each of the words occurs in what is told of a run."""
    told = [view.run.id, view.group, *view.annotations.tags, view.annotations.note]
    if view.config is not None:
        told += _names(view.config)
    text = "\n".join(told).casefold()
    return all(word in text for word in words)


def _names(config: RunConfig) -> list[str]:
    dataset, model = config.dataset.name, config.model.name
    optimizer = config.optimizer.name
    return [
        dataset, DATASETS[dataset].title, model, model_spec(model).title,
        optimizer, optimizer_spec(optimizer).title, kind_of(optimizer).title,
    ]  # fmt: skip


def _choose(choice: Choice, views: Sequence[Summary]) -> Passes:
    """Show a filter if there is something to choose, and return whom it lets pass."""
    numbers = Counter(name for view in views for name in choice.values(view))
    chosen = address.follow(choice.name)
    if chosen is not None and chosen not in numbers and not choice.known(chosen):
        chosen = None
        address.give(choice.name, None)
    # What is gone from the list may be in the address: it can be left then.
    options = choice.arranged({*numbers, *([chosen] if chosen else [])})
    if len(options) >= choice.least or chosen:
        st.selectbox(
            choice.none, options, index=None, key=address.key(choice.name),
            placeholder=choice.none, label_visibility="collapsed", width=choice.width,
            format_func=lambda name: f"{choice.title(name)} ({numbers[name]})",
            on_change=address.write, args=(choice.name,),
        )  # fmt: skip
    return lambda view: chosen is None or chosen in choice.values(view)


def _archive(views: Sequence[Summary]) -> Passes:
    """Offer to show those that were put away in place of the others."""
    number = sum(view.annotations.archived for view in views)
    shown = address.value(ARCHIVED) == YES
    address.give(ARCHIVED, shown)
    if number or shown:
        st.toggle(
            f"Archived ({number})", key=address.key(ARCHIVED),
            on_change=_write_archived,
            help="Show the runs that were put away, and no others.",
        )  # fmt: skip
    return lambda view: view.annotations.archived == shown


def _write_archived() -> None:
    address.put(ARCHIVED, YES if st.session_state[address.key(ARCHIVED)] else None)


def _pill(state: str, number: int) -> str:
    look = LOOKS[state]
    return f"{look.icon} {look.label} {number}"

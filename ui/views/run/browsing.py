"""The gallery of a run: what is shown of which set, page by page, and one in full."""

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from data import DATASETS
from trainers.runs import Run, RunError
from ui.components import predictions
from ui.components.cards import cards
from ui.components.formats import count, counted, plain
from ui.components.guarded import guarded
from ui.components.images import Kept, kept, kept_sets
from ui.components.labels import data_title
from ui.components.predictions import OOD, TEST, Part
from ui.views.run.detail import belief_of, detail
from ui.views.run.gallery import cards_of, gallery_html
from ui.views.run.ordering import MEANING, Filters, chosen_rows, orders

PAGE = 30  # cards, which fill rows of two, three, five and six
IMAGE = "maps_image"  # of the address: the row of the example shown in full
SET, _ORDER, _PAGE_KEY = "maps_set", "maps_order", "maps_page"  # of the address, too
_TRUE, _PREDICTED, _WRONG = "maps_true", "maps_predicted", "maps_wrong"
ANY = "Any class"


def set_title(name: str) -> str:
    """What a set of predictions is called on the page."""
    return "Test set" if name == TEST else f"{dataset_title(name)}, OOD"


def dataset_title(name: str) -> str:
    """The name for people of the dataset of an out-of-distribution set "ood_NAME"."""
    return data_title(name.removeprefix(OOD))


def shown_sets(run: Run) -> list[str]:
    """Sets that were predicted and of which images were kept, the test set first."""
    there = kept_sets(run)
    return [name for name in predictions.parts(run) if name in there]


def gallery(run: Run, names: list[str]) -> None:
    """Show the gallery.

    Args:
        run: An evaluated run on images.
        names: Class names.
    """
    sets = shown_sets(run)
    if not sets:
        st.info(
            "This run kept no images: it was evaluated by an older version. Its "
            "features are still there to see under Embedding.",
            icon=":material/image_not_supported:",
        )
        return
    name = _set(sets)
    part, images = predictions.part(run, name), kept(run, name)
    filters = _filters(part, names)
    rows = chosen_rows(part, filters, images.rows)
    st.caption(_told(part, images, filters, rows))
    if len(rows):
        _page(part, images, names, rows, name)
    elif filters.order == orders(part)[0] or len(part) == 0:
        st.info("No image passes these filters.", icon=":material/filter_alt_off:")
    else:
        st.info(_none(part), icon=":material/check_circle:")
    with guarded("The chosen image"):
        _chosen(run, name, part, images, names)


def _none(part: Part) -> str:
    if part.labels is not None and bool(part.correct.all()):
        return "Not one test image was misclassified."
    return "No image passes these filters."


def _set(sets: Sequence[str]) -> str:
    if len(sets) == 1:
        return sets[0]
    titles = {set_title(name): name for name in sets}
    title = st.segmented_control(
        "Images of", list(titles), default=next(iter(titles)), required=True, key=SET,
        bind="query-params", label_visibility="collapsed", on_change=forget_image,
        format_func=lambda title: _as_text(titles[title], title),
    )  # fmt: skip
    return titles.get(str(title), sets[0])


def _as_text(name: str, title: str) -> str:
    """A title that Markdown leaves alone; those of our catalogue need no escapes."""
    ours = name == TEST or name.removeprefix(OOD) in DATASETS
    return title if ours else plain(title)


def forget_image() -> None:
    """Show none in full any more: the row would mean another image."""
    st.query_params.pop(IMAGE, None)


def _filters(part: Part, names: list[str]) -> Filters:
    known = part.labels is not None
    possible = orders(part)
    places = st.columns([3, 2, 2, 2] if known else [3, 2], vertical_alignment="bottom")
    order = places[0].selectbox(
        "Order", possible, key=f"{_ORDER}_{'in' if known else 'out'}",
        bind="query-params",
    )  # fmt: skip
    classes = {ANY: None, **{f"{k} {name}": k for k, name in enumerate(names)}}

    def chosen(place: int, text: str, key: str) -> int | None:
        found = places[place].selectbox(
            text, list(classes), key=key, bind="query-params"
        )
        return classes.get(str(found))

    predicted = chosen(1, "Predicted class", _PREDICTED)
    if not known:
        return Filters(str(order), predicted=predicted)
    true = chosen(2, "True class", _TRUE)
    wrong = places[3].toggle("Only wrong", key=_WRONG, bind="query-params")
    return Filters(str(order), true, predicted, bool(wrong))


def _told(part: Part, images: Kept, filters: Filters, rows: NDArray[np.int64]) -> str:
    share = f"{count(len(rows))} of {counted(len(part), 'example')} (N)"
    text = f"{filters.order}: {MEANING[filters.order]} {share}"
    if len(images.rows) < len(part):
        text += f", of {count(len(images.rows))} of which images were kept"
    if part.num_samples > 1:
        return (
            f"{text}. Bars are means over {count(part.num_samples)} weight samples "
            "(S), the line across spans 5 to 95 % of them. Entropy and mutual "
            "information (MI) are in nats. Choose a card to see more."
        )
    return f"{text}. One set of weights (S = 1): no spread. Choose a card to see more."


def _page(
    part: Part, images: Kept, names: list[str], rows: NDArray[np.int64], name: str
) -> None:
    pages = -(-len(rows) // PAGE)
    under = st.container()
    number = 1
    if pages > 1:
        with st.container(horizontal_alignment="center"):
            number = int(st.pagination(pages, key=_PAGE_KEY, bind="query-params"))
    number = min(max(1, number), pages)
    shown = rows[(number - 1) * PAGE : number * PAGE]
    html = gallery_html(
        cards_of(part, shown, images), names, _kind(name),
        sampled=part.num_samples > 1, chosen=_row(part),
    )  # fmt: skip
    with under:
        cards(html, key="maps-cards", label=f"Images of the {set_title(name)}",
              on_choice=show_image)  # fmt: skip


def show_image(row: int) -> None:
    """Show the example of a row in full."""
    st.query_params[IMAGE] = str(row)


def _kind(name: str) -> str:
    return "Test image" if name == TEST else f"{dataset_title(name)} image"


def _row(part: Part) -> int | None:
    """The row of the address, None if it is none of the set."""
    text = st.query_params.get(IMAGE, "")
    fine = text.isascii() and text.isdecimal() and len(text) < 12
    return int(text) if fine and int(text) < len(part) else None


def _chosen(run: Run, name: str, part: Part, images: Kept, names: list[str]) -> None:
    row = _row(part)
    if row is None:
        if IMAGE in st.query_params:
            raise RunError(f"There is no image {st.query_params[IMAGE][:20]!r} here.")
        return
    belief = belief_of(part.samples_of([row]))
    truth = None if part.labels is None else int(part.labels[row])
    title = f"{_kind(name)} {row}"

    @st.dialog(plain(title), width="large", on_dismiss=forget_image)
    def opened() -> None:
        with guarded("The chosen image"):
            detail(run, title, images.of(row), belief, names, truth)

    opened()

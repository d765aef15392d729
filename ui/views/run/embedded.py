"""The embedding of a run: how near examples lie to each other in its last layer."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from trainers.drawn import Rows, drawn_rows
from trainers.runs import Run
from ui.components import predictions
from ui.components.formats import count, plain
from ui.components.guarded import guarded
from ui.components.images import kept, kept_sets
from ui.components.latest import stamp_of
from ui.components.notes import show_notes
from ui.components.plot import panel, plot
from ui.views.run.browsing import IMAGE, set_title
from ui.views.run.detail import belief_of, picture_html
from ui.views.run.distribution import distribution_alt, distribution_figure, in_words
from ui.views.run.embedding import (
    ENTROPY,
    EPISTEMIC,
    PREDICTED,
    RIGHT,
    Floats,
    Group,
    embedding_alt,
    embedding_figure,
)
from ui.views.run.places import offer, pca_places, read_places

PCA, TSNE = "PCA", "t-SNE"


def embedding(run: Run, names: list[str], points: bool) -> None:
    """Show the map.

    Args:
        run: An evaluated run.
        names: Class names.
        points: Whether the examples are points of the plane, not images.
    """
    rows = drawn_rows(run)
    if not rows:
        st.info(
            "This run kept no features: its network does not end in one linear layer, "
            "or an older version evaluated it.",
            icon=":material/scatter_plot:",
        )
        return
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    method = left.segmented_control(
        "Projection", [PCA, TSNE], default=PCA, required=True, key="maps_projection",
        bind="query-params",
    )  # fmt: skip
    coloring = right.segmented_control(
        "Coloured by", _colorings(run), default=ENTROPY, required=True,
        key="maps_coloring", bind="query-params",
    )  # fmt: skip
    found = _placed(run, rows, str(method))
    if found is not None:
        places, axes, note = found
        groups = [
            Group(name, set_title(name), predictions.part(run, name), rows[name], each)
            for name, each in zip(rows, places, strict=True)
        ]
        _chart(run, names, groups, str(coloring), (str(method), axes, note), points)
        show_notes(run)


def _colorings(run: Run) -> list[str]:
    sampled = predictions.part(run).num_samples > 1
    return [ENTROPY, *([EPISTEMIC] if sampled else []), PREDICTED, RIGHT]


def _placed(
    run: Run, rows: Rows, method: str
) -> tuple[Sequence[Floats], tuple[str, str], str] | None:
    """Places by set, what the axes are, and what to know of them; None if not yet."""
    if method == PCA:
        places, share = pca_places(str(run.path), stamp_of(run.predictions))
        axes = "First principal component", "Second principal component"
        note = f"The plane holds {100 * share:.0f} % of the variance of the test set's."
        return places, axes, note
    found = read_places(run, rows)
    if found is None:
        offer(run, sum(map(len, rows.values())))
        return None
    note = (
        "Neighbours are alike to the network; distances between clusters and their "
        "sizes mean little in t-SNE."
    )
    return found, ("", ""), note


def _chart(
    run: Run,
    names: list[str],
    groups: list[Group],
    coloring: str,
    told: tuple[str, tuple[str, str], str],
    points: bool,
) -> None:
    method, axes, note = told
    shown = "; ".join(
        f"{plain(each.title)}: {_share(len(each.rows), len(each.part))}"
        for each in groups
    )
    left, right = st.columns([5, 3])
    with left:
        clicked = panel(
            "What the last layer sees",
            embedding_figure(groups, coloring, names, axes),
            key=f"embedding-{method}",
            alt=embedding_alt(groups, method, coloring),
            note="Each point is an example, placed by its features before the last "
            f"layer; diamonds are out of distribution. {note} {shown}.",
            revision=f"{run.id}-{method}",
            clickable=True,
        )
    with (
        right,
        st.container(border=True, height="stretch"),
        guarded("The clicked example"),
    ):
        found = clicked_example(clicked, groups)
        _example(run, names, *(found or most_uncertain(groups)), points)
        if found is None:
            st.caption(
                "It has the highest entropy of the test examples on the map; click a "
                "point to see another one."
            )


def _share(shown: int, total: int) -> str:
    if shown == total:
        return f"all {count(total)}"
    return f"{count(shown)} of {count(total)}, drawn at random"


def clicked_example(
    clicked: Mapping[str, Any] | None, groups: Sequence[Group]
) -> tuple[Group, int] | None:
    """The set and row that a click of the browser means, None if it means none."""
    custom = (clicked or {}).get("customdata")
    if not isinstance(custom, list | tuple) or len(custom) != 2:
        return None
    name, row = custom
    group = next((each for each in groups if each.name == name), None)
    if group is None or type(row) is not int or not 0 <= row < len(group.part):
        return None
    return group, row


def most_uncertain(groups: Sequence[Group]) -> tuple[Group, int]:
    """The drawn example of the first set that has the highest entropy."""
    first = groups[0]
    return first, int(first.rows[first.part.total[first.rows].argmax()])


def _example(run: Run, names: list[str], group: Group, row: int, points: bool) -> None:
    part = group.part
    st.markdown(f"**{plain(group.title)}, example {row}**")
    belief = belief_of(part.samples_of([row]))
    truth = None if part.labels is None else int(part.labels[row])
    has_image = not points and group.name in kept_sets(run)
    image = kept(run, group.name).of(row) if has_image else None
    if image is not None:
        st.html(picture_html(image, f"{group.title} {row}", 140))
    st.caption(in_words(belief))
    plot(
        distribution_figure(belief, names, truth),
        key="embedding-distribution",
        alt=distribution_alt(belief, names, truth),
        revision=f"{run.id}-{group.name}-{row}",
    )
    if image is not None:
        st.button("Open in the gallery", icon=":material/open_in_full:",
                  key="maps_open", on_click=_open, args=(group.title, row))  # fmt: skip


def _open(title: str, row: int) -> None:
    st.session_state["maps_view"] = "Gallery"
    st.session_state["maps_set"] = title
    st.query_params[IMAGE] = str(row)

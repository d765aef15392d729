"""The tab of pictures of uncertainty, of which the chosen one is computed."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import streamlit as st

from trainers.runs import Run
from ui.components.guarded import fragment, guarded
from ui.components.reading import Summary
from ui.views.run.evaluated import class_names, evaluated

VIEW = "maps_view"  # of the address
GALLERY, EMBEDDING, OWN, PLANE = "Gallery", "Embedding", "Your own image", "Maps"
Section = Callable[[Run, Mapping[str, Any], list[str]], None]


def render(view: Summary) -> None:
    """Show the maps of points, or the gallery, the embedding or the visitor's image."""
    content = evaluated(view, "Pictures of uncertainty")
    if content is not None:
        fragment("Pictures of uncertainty", _sections)(view.run, content)


def _sections(run: Run, content: Mapping[str, Any]) -> None:
    sections = _of(content)
    chosen = st.segmented_control(
        "View", list(sections), default=next(iter(sections)), required=True, key=VIEW,
        bind="query-params", label_visibility="collapsed",
    )  # fmt: skip
    name = chosen if chosen in sections else next(iter(sections))
    with guarded(f"The view {name}"):
        names = class_names(run, content)
        sections[name](run, content, names)


def _of(content: Mapping[str, Any]) -> dict[str, Section]:
    if content.get("map"):
        return {PLANE: _plane, EMBEDDING: _embedding}
    return {GALLERY: _gallery, EMBEDDING: _embedding, OWN: _own}


def _plane(run: Run, content: Mapping[str, Any], names: list[str]) -> None:
    import_module("ui.views.run.plane").plane(run, content, names)


def _gallery(run: Run, content: Mapping[str, Any], names: list[str]) -> None:  # noqa: ARG001
    import_module("ui.views.run.browsing").gallery(run, names)


def _embedding(run: Run, content: Mapping[str, Any], names: list[str]) -> None:
    import_module("ui.views.run.embedded").embedding(run, names, bool(content["map"]))


def _own(run: Run, content: Mapping[str, Any], names: list[str]) -> None:  # noqa: ARG001
    import_module("ui.views.run.own_image").own_image(run, names)

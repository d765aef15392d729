"""The tab of the run's files: what each is, and its content on a click."""

from functools import partial

import streamlit as st

from trainers.config import RunConfig
from trainers.continual.record import is_continual
from trainers.runs import Run, RunError
from ui.components import reading
from ui.components.formats import count, plain
from ui.components.reading import Summary
from ui.views.run.files import (
    MOST_FILES,
    MOST_IN_MEMORY,
    File,
    content,
    files_of,
    size_text,
)
from ui.views.run.snippet import posterior_snippet

_WIDTHS = [4, 7, 1.2]
_WIDTH_OF_NAME = 60  # characters


def render(view: Summary) -> None:
    """Show it."""
    files = files_of(view.run)
    total = sum(file.size for file in files)
    st.caption(
        f"{count(len(files))} files of {size_text(total)} in "
        f"{plain(str(view.run.path))}. A name is a button that downloads the file."
    )
    with st.container(border=True, gap="xsmall"):
        for file in files:
            _row(view.run, file)
    if len(files) == MOST_FILES:
        st.caption(f"The folder holds more than these {MOST_FILES} files.")
    if is_continual(view.run):
        st.caption(
            "`vogn_app.load_posterior` reads the posterior of VOGN, which is the prior "
            "for one more task: see `set_prior` of `vogn_app.VOGN`."
        )
    elif view.config is not None and view.run.posterior.exists():
        _posterior(view.run, view.config)


def _row(run: Run, file: File) -> None:
    name_place, what_place, size_place = st.columns(
        _WIDTHS, vertical_alignment="center"
    )
    name, what = plain(_shortened(file.name)), file.what
    if file.size <= MOST_IN_MEMORY:
        name_place.download_button(
            name, partial(content, run, file.path),
            file_name=f"{run.id}-{file.path.name}", mime=file.mime,
            icon=":material/download:", on_click="ignore", key=f"file-{file.name}",
            type="tertiary",
        )  # fmt: skip
    else:
        name_place.markdown(f":material/folder: {name}")
        what += (
            " Too large for a download, which the server would keep in its memory: "
            f"copy it from {plain(str(file.path))}."
        )
    what_place.caption(what)
    size_place.caption(size_text(file.size), text_alignment="right")


def _shortened(name: str) -> str:
    return name if len(name) <= _WIDTH_OF_NAME else f"{name[: _WIDTH_OF_NAME - 1]}…"


def _posterior(run: Run, config: RunConfig) -> None:
    """Say how the posterior is used elsewhere."""
    st.markdown("### Use the posterior elsewhere")
    try:
        found = reading.evaluation(run)
    except RunError:
        found = None  # told beside the headline
    program = posterior_snippet(config, found)
    if not program:
        st.caption(
            "`vogn_app.load_posterior` reads it, for a network with the layers of "
            f"{plain(config.model.name)} and inputs of the size of your images."
        )
        return
    st.caption(
        "Beside the downloaded file and with this repository. For a network of your "
        "own with the same layers, `vogn_app` and torch are all it takes."
    )
    st.code(program, language="python")

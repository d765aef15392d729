"""The user's own images in the launch form: uploaded, or lying on this machine."""

from pathlib import Path
from typing import Any

import streamlit as st

from data import DatasetError
from data.uploads import Upload, delete, find, keep, limits, listing
from data.uploads.contents import SQUARES
from data.uploads.limits import MEGABYTE
from trainers.runs import RunError, list_runs
from trainers.status import ENDED
from ui.components import access, reading
from ui.components.engine import attempt
from ui.components.formats import counted, plain
from ui.views.launch import preview

SOURCE, CHOSEN, FOLDER = "own-source", "own-upload", "folder"  # keys of fields
UPLOADED, NEW, HERE = "uploaded", "new", "here"
_SOURCES = {
    UPLOADED: ":material/inventory_2: Uploaded",
    NEW: ":material/upload: Upload",
    HERE: ":material/folder_open: On this machine",
}
_ADDED = "own-added"  # in the session: what was just uploaded
_COUNT = "own-count"  # how often; a new number empties the field
_AUTOMATIC = 0
_ACCEPTED = (
    "A **zip** with one folder of images a class, in folders `train` and `test` if "
    "you have both; or an **.npz** with `images` (N × H × W, or N × H × W × 3) and "  # noqa: RUF001
    "`labels` (N), and `class_names` if you like."
)


def own_images() -> str:
    """Choose, upload or name images of one's own, and show what they are like.

    Returns:
        A folder or file, "" before anything is chosen.
    """
    uploads = listing()
    _prepare(uploads)
    source = st.segmented_control(
        "Your images", list(_SOURCES), default=UPLOADED if uploads else NEW,
        required=True, key=SOURCE, format_func=_SOURCES.__getitem__,
    )  # fmt: skip
    if source == HERE:
        return _here()
    if source == NEW:
        _new()
        return ""
    return _uploaded(uploads)


def field_values(folder: str | None) -> dict[str, Any]:
    """What stands in the fields for a configuration's folder, by their keys."""
    path = Path(folder or "")
    upload = find(path.stem)
    if folder and upload is not None and upload.path == path:
        return {SOURCE: UPLOADED, CHOSEN: upload.name, FOLDER: ""}
    return {SOURCE: HERE, FOLDER: folder or ""}


def may_name(path: Path) -> bool:
    """Whether this person may ask for a path: editors any, viewers only uploads.

    Whoever may ask for others learns from the answers what there is on the machine.
    """
    upload = None if access.may_edit() else find(path.stem)
    return access.may_edit() or (upload is not None and upload.path == path)


def blank_values() -> dict[str, Any]:
    """What stands in the fields before anything is chosen."""
    return {SOURCE: UPLOADED if listing() else NEW, FOLDER: ""}


def _prepare(uploads: list[Upload]) -> None:
    """Choose what was just uploaded; let go of what was deleted."""
    added = st.session_state.pop(_ADDED, None)
    if added is not None:
        st.session_state[SOURCE], st.session_state[CHOSEN] = UPLOADED, added
        st.session_state[_COUNT] = st.session_state.get(_COUNT, 0) + 1
    if st.session_state.get(CHOSEN) not in {upload.name for upload in uploads}:
        st.session_state.pop(CHOSEN, None)
    if st.session_state.get(SOURCE, UPLOADED) not in _SOURCES:
        st.session_state.pop(SOURCE, None)


def _here() -> str:
    path = st.text_input(
        "Folder or .npz file",
        key=FOLDER,
        placeholder="/home/me/pictures",
        disabled=not access.may_edit(),
        help="On the machine that the dashboard runs on: a folder with one sub-folder "
        "of images a class, all of one size, or an .npz file with images and labels.",
    )
    if not access.may_edit():
        st.caption("Editors name a folder here, and see what lies in it.")
    elif path.strip():
        preview.preview(path.strip(), key="here")
    return path


def _uploaded(uploads: list[Upload]) -> str:
    if not uploads:
        st.caption("Nothing was uploaded yet.")
        return ""
    names = [upload.name for upload in uploads]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Dataset of yours", names, key=CHOSEN)
        upload = next((item for item in uploads if item.name == name), uploads[0])
        _delete_button(upload)
    preview.preview(str(upload.path), notes=upload.notes, key="uploaded")
    return str(upload.path)


def _delete_button(upload: Upload) -> None:
    with st.popover(
        "Delete", icon=":material/delete:", disabled=not access.may_edit(),
        key="own-delete",
    ):  # fmt: skip
        st.markdown(
            f"Delete **{plain(upload.name)}**? Runs that were trained on it keep their "
            "results; they cannot be resumed or trained again."
        )
        if st.button(
            "Delete for good", type="primary", key="own-delete-sure",
            icon=":material/delete_forever:",
        ):  # fmt: skip
            attempt([lambda: remove(upload)])


def remove(upload: Upload) -> None:
    """Delete an uploaded dataset.

    Raises:
        RunError: If a run that has not ended uses it, or it cannot be deleted.
    """
    access.require_editor()
    users = _users(upload)
    if users:
        raise RunError(
            f"{upload.name!r} cannot be deleted while {counted(len(users), 'run')} "
            f"{'uses' if len(users) == 1 else 'use'} it: {', '.join(users[:3])}."
        )
    try:
        delete(upload.name)
    except DatasetError as error:
        raise RunError(str(error)) from None


def _users(upload: Upload) -> list[str]:
    """The runs that are queued or running on a dataset."""
    # Which run it is and how it stands is asked; what came out of each is not.
    views, _ = reading.summaries(list_runs(), patience=0.0)
    return [
        view.run.id
        for view in views
        if view.config is not None
        and view.config.dataset.folder == str(upload.path)
        and view.state not in ENDED
    ]


def _new() -> None:
    number, allowed = st.session_state.get(_COUNT, 0), access.may_edit()
    try:
        most = _most()
    except ValueError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    file = st.file_uploader(
        "Images to upload", type=["zip", "npz"], key=f"own-file-{number}",
        max_upload_size=most, disabled=not allowed,
    )  # fmt: skip
    st.caption(
        f"{_ACCEPTED} At most {most:,} MB. Pixels and names of classes are kept; the "
        "files themselves, and where a photograph was taken, are not."
    )
    if file is None:
        return
    name, side = _name_and_size(file.name, number)
    if st.button(
        "Check and add", type="primary", icon=":material/upload_file:",
        key="own-add", disabled=not allowed,
    ):  # fmt: skip
        _add(file, name, side)


def _name_and_size(file_name: str, number: int) -> tuple[str, int | None]:
    """Ask what to call an upload, and what size to bring its images to."""
    left, right = st.columns(2)
    name = left.text_input(
        "Name",
        value=Path(file_name).stem[:64],
        max_chars=64,
        key=f"own-name-{number}-{file_name}",  # another file has another name
    )
    side = right.selectbox(
        "Image size", [_AUTOMATIC, *SQUARES], key=f"own-side-{number}",
        format_func=lambda k: f"{k} × {k} pixels" if k else "Automatic",  # noqa: RUF001
        help="Automatic leaves images of one size as they are, and brings others to a "
        "square that most of them fill. Larger images cost time and memory.",
    )  # fmt: skip
    return name, side or None


def _most() -> int:
    """Megabytes of an upload: what we take, and what the server lets through."""
    return min(limits().upload // MEGABYTE, int(st.get_option("server.maxUploadSize")))


def _add(file: Any, name: str, side: int | None) -> None:
    """Check an upload and keep it, or say what is wrong with it."""
    bar = st.progress(0.0, "Checking")
    try:
        access.require_editor()
        upload = keep(file, file.name, name=name, side=side, progress=bar.progress)
    except (DatasetError, RunError, OSError, ValueError) as error:
        bar.empty()
        st.error(f"Nothing was kept. {plain(str(error))}", icon=":material/gpp_maybe:")
        return
    st.session_state[_ADDED] = upload.name
    st.rerun()

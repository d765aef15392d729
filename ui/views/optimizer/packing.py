"""Files that are packed when somebody asks for them, once for everybody.

To open the page must cost nothing: a wheel takes a process, a posterior perhaps half a
gigabyte.
"""

from collections.abc import Callable
from threading import Lock, Timer

import streamlit as st

from trainers.parcel.archive import Parcel
from trainers.parcel.wheel import ParcelError, sources_digest, wheel_files
from trainers.runs import RunError
from ui.components.formats import plain

MOST = 4  # parcels that are kept
BYTES = 256 * 10**6  # that they have together, but for a single one that is larger
LARGE_TIME = 600.0  # seconds for which such a one is kept


class Shelf:
    """What was packed of late; the one that was packed first is forgotten first."""

    def __init__(self) -> None:
        self._packing = Lock()  # a crowd of visitors starts no crowd of builders
        self._parcels: dict[str, Parcel] = {}

    def get(self, content: str) -> Parcel | None:
        """The parcel with this content, None if it was not packed."""
        return self._parcels.get(content)

    def pack(self, content: str, make: Callable[[], Parcel]) -> Parcel:
        """Pack it, unless somebody else just has.

        Args:
            content: What the parcel depends on.
            make: Packs it.
        """
        with self._packing:
            known = self.get(content)
            if known is None:
                known = make()
                self._keep(content, known)
            return known

    def _keep(self, content: str, parcel: Parcel) -> None:
        self._parcels[content] = parcel
        while len(self._parcels) > 1 and (
            len(self._parcels) > MOST or self._size() > BYTES
        ):
            del self._parcels[next(iter(self._parcels))]
        if self._size() > BYTES:
            # Not at a later look: there may be none for days.
            timer = Timer(LARGE_TIME, self._drop, [content])
            timer.daemon = True
            timer.start()

    def _size(self) -> int:
        return sum(len(parcel.content) for parcel in self._parcels.values())

    def _drop(self, content: str) -> None:
        with self._packing:
            self._parcels.pop(content, None)


@st.cache_resource(show_spinner=False)
def _shelf() -> Shelf:
    return Shelf()


def sources() -> str:
    """What changes whenever a file of the wheel does; ParcelError if one is missing."""
    return sources_digest(wheel_files())


def offered(name: str, content: Callable[[], str], make: Callable[[], Parcel]) -> None:
    """A button that packs a file, then one that downloads it, with its hash.

    Args:
        name: "wheel" or "archive".
        content: Says what the file depends on.
        make: Packs it; what cannot be made says why.
    """
    try:
        parcel = _asked(name, f"{name} {content()}", make)
    except (ParcelError, RunError) as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    except OSError as error:
        reason = plain(error.strerror or type(error).__name__)
        st.error(f"It cannot be packed: {reason}.", icon=":material/error:")
        return
    if parcel is not None:
        _shown(name, parcel)


def _asked(name: str, content: str, make: Callable[[], Parcel]) -> Parcel | None:
    """The file, if somebody asked for it before or does so now."""
    shelf, place = _shelf(), st.empty()
    known = shelf.get(content)
    if known is not None:
        return known
    if not place.button(
        f"Pack the {name}", key=f"optimizer-pack-{name}", icon=":material/package_2:"
    ):
        return None
    with place, st.spinner("Packing ...", show_time=False):
        known = shelf.pack(content, make)
    place.empty()
    return known


def _shown(name: str, parcel: Parcel) -> None:
    size = len(parcel.content) / 1e6
    st.download_button(
        f"{plain(parcel.name)} ({size:.1f} MB)",
        lambda: parcel.content,  # a large file goes to the browser when it is wanted
        parcel.name, "application/zip", key=f"optimizer-{name}",
        icon=":material/download:", on_click="ignore",
    )  # fmt: skip
    st.caption("SHA-256")
    st.code(parcel.sha256, language=None, wrap_lines=True)

"""Files for download: named, hashed, and packed into archives without a time."""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that an archive can hold
_READABLE = 0o100644 << 16  # a plain file, as Unix notes it
_UNIX = 3


@dataclass(frozen=True)
class Parcel:
    """A file to give away.

    Args:
        name: Its name.
        content: Its bytes.
    """

    name: str
    content: bytes

    @cached_property
    def sha256(self) -> str:
        """The hash of its bytes, in hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()


def packed(files: Mapping[str, bytes], folder: str) -> bytes:
    """Put files into a zip archive that depends on names and content alone.

    Args:
        files: Content by path, with "/" between folders.
        folder: Name of the folder that holds them all.

    Returns:
        The bytes of the archive.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(f"{folder}/{name}", _EPOCH)
            entry.create_system, entry.external_attr = _UNIX, _READABLE
            # Weights do not get smaller, and take their time.
            plain = name.endswith(".safetensors")
            entry.compress_type = zipfile.ZIP_STORED if plain else zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return buffer.getvalue()

"""What lies in a folder of class folders, listed with bounded work."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from data.catalogue import DatasetError
from data.classes import MAX_CLASSES
from data.folder import beside, misplaced
from data.system_files import is_system_file

_MOST_ENTRIES = 10  # that are passed, images or not, for each image that may be listed


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What there is.

    Args:
        images: Paths of the images of each class, both sorted.
        misplaced: What is wrong with the first file or folder that a training would
            refuse, "" without one.
        num_folders: How many class folders there are, those included that were not
            reached.
        is_partial: Whether there is more than was listed.
    """

    images: Mapping[str, Sequence[Path]]
    misplaced: str
    num_folders: int
    is_partial: bool


def listed(folder: Path, most: int) -> Listing:
    """List the images of each class.

    Args:
        folder: Holds the class folders.
        most: How many images to list.

    Returns:
        What there is.

    Raises:
        DatasetError: If a folder cannot be listed.
    """
    try:
        return _Walk(most).through(folder)
    except OSError as error:
        raise DatasetError(f"{folder} cannot be listed: {error}") from None


@dataclass
class _Walk:
    """Goes through class folders as long as images and entries are left to be seen."""

    left: int
    entries: int = 0
    wrong: str = ""
    found: dict[str, list[Path]] = field(default_factory=dict)

    def through(self, folder: Path) -> Listing:
        self.entries = _MOST_ENTRIES * self.left + 1
        tops = list(islice(_visible(folder), MAX_CLASSES + 1))
        strays = sorted(entry.path for entry in tops if not entry.is_dir())
        self.wrong = beside(Path(strays[0])) if strays else ""
        inner = sorted(entry.path for entry in tops if entry.is_dir())
        cut = len(tops) > MAX_CLASSES or any(self._cut_at(Path(path)) for path in inner)
        return Listing(
            images=self.found,
            misplaced=self.wrong,
            num_folders=len(inner),
            is_partial=cut,
        )

    def _cut_at(self, folder: Path) -> bool:
        """List one class; say whether there is more than may be seen."""
        images: list[Path] = []
        more = False
        for entry in islice(_visible(folder), self.entries):
            self.entries -= 1
            path = Path(entry.path)
            wrong = misplaced(path, entry.is_dir())
            self.wrong = self.wrong or wrong
            more = not wrong and len(images) == self.left
            if more:
                break
            if not wrong:
                images.append(path)
        more = more or not self.entries
        if images or not more:  # or it is not known whether it has any
            self.found[folder.name] = sorted(images)
            self.left -= len(images)
        return more


def _visible(folder: Path) -> Iterator["os.DirEntry[str]"]:
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if not is_system_file(entry.name))

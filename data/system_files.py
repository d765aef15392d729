"""Files that systems put into folders and archives, which are nobody's data."""

_NAMES = {"thumbs.db", "desktop.ini", "__macosx"}


def is_system_file(name: str) -> bool:
    """Whether a file or folder is hidden or the system's own, to go by its name."""
    return name.startswith(".") or name.casefold() in _NAMES

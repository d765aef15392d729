"""What an uploaded dataset may be called, which is the name of its file too."""

import re

MAX_NAME = 64
_MAX_BYTES = 200  # in UTF-8; file systems take 255, with what comes around it
_NUMBER = 6  # characters that stay for a number behind a name
NAME = re.compile(r"[^\W_][\w .+=,@-]{0,63}(?<! )")


def safe_name(text: str) -> str:
    """A name for a dataset, made of what somebody typed or called a file.

    Letters of any language, digits and `_.+=,@-` stay, all else turns to a blank.
    """
    text = re.sub(r"[^\w.+=,@-]+", " ", text)
    text = _cut(re.sub(r"^[\W_]+", "", text), MAX_NAME, _MAX_BYTES)
    return text if NAME.fullmatch(text) else "images"


def numbered(name: str, number: int) -> str:
    """A safe name with a number behind it, cut so that it is one still."""
    return f"{_cut(name, MAX_NAME - _NUMBER, _MAX_BYTES - _NUMBER)} {number}"


def _cut(text: str, length: int, size: int) -> str:
    """The beginning of a text: at most so many characters, and bytes in UTF-8."""
    # \w has no surrogates, so that only a letter cut in two is passed over.
    return text[:length].encode()[:size].decode(errors="ignore").strip()

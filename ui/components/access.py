"""Who may do what: viewers look, editors also start, stop, change and delete.

With `[auth]` in `.streamlit/secrets.toml` people sign in by OpenID Connect
(`st.login`), and `[roles]` in the same file says who is what, by address or pattern:

    [roles]
    editors = ["ada@example.com"]
    viewers = ["*@example.com"]

Who is neither sees nothing. Without `[auth]` whoever sits at this machine is an editor,
and whoever comes over a network, through a proxy, or by another name of this machine
than those of the loopback interface a viewer.

Whatever changes something calls `require_editor` on the server before it does it; a
disabled button is a courtesy and no protection.
"""

import ipaddress
import os
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

import streamlit as st

from trainers.runs import RunError
from ui.components.formats import escaped

VIEWER, EDITOR = "viewer", "editor"
OPEN = "VOGN_OPEN"  # "1": whoever reaches the server is an editor, without signing in
# What proxies add, though not all of them do.
_FORWARDED = ("X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "X-Real-IP", "Via")


class AccessError(RunError):
    """The person at the browser may not do this."""


def gate() -> None:
    """Let in who may see the dashboard; the script of a page ends here for others."""
    if not _asks_who():
        if role() == VIEWER:
            st.caption(f":material/visibility: {_WHY_VIEWER}")
        return
    if not st.user.is_logged_in:
        _sign_in()
        st.stop()
    if role() is None:
        _stranger()
        st.stop()
    _signed_in()


def role() -> str | None:
    """`EDITOR` or `VIEWER`; None for who may see nothing."""
    if not _asks_who():
        return EDITOR if _is_at_this_machine() else VIEWER
    if not st.user.is_logged_in:
        return None
    return role_of(st.user.to_dict(), _section("roles"))


def role_of(person: Mapping[str, Any], roles: Mapping[str, Any]) -> str | None:
    """What somebody is who has signed in.

    Args:
        person: The claims of the identity provider: "email" and, where it says so,
            "email_verified".
        roles: "editors" and "viewers": addresses, or patterns such as
            "*@example.com".

    Returns:
        `EDITOR`, `VIEWER`, or None. An address that the provider calls unverified is
        nobody's; one of which it says nothing is taken as it is, so let the provider
        hand out addresses that its users cannot choose.
    """
    email = person.get("email")
    verified = person.get("email_verified", True)  # some providers send text
    if not isinstance(email, str) or verified not in (True, "true", "True"):
        return None
    for name, found in ((EDITOR, roles.get("editors")), (VIEWER, roles.get("viewers"))):
        if _matches(email.casefold(), found):
            return name
    return None


def may_edit() -> bool:
    """Whether the person at the browser may change anything."""
    return role() == EDITOR


def require_editor() -> None:
    """Refuse who may only look.

    Raises:
        AccessError: If the person at the browser may not change anything.
    """
    if not may_edit():
        raise AccessError(f"Only editors may do this. {_WHY_VIEWER}")


_WHY_VIEWER = (
    "You may look at everything here and change nothing: see deploy/README.md for how "
    "editors sign in."
)


def _matches(email: str, patterns: Any) -> bool:
    listed: Iterable[Any] = [patterns] if isinstance(patterns, str) else patterns or ()
    return any(
        isinstance(each, str) and fnmatchcase(email, each.casefold()) for each in listed
    )


def _asks_who() -> bool:
    """Whether people have to sign in here."""
    return bool(_section("auth"))


def _section(name: str) -> Mapping[str, Any]:
    """A section of secrets.toml, {} if there is none."""
    if not st.secrets.load_if_toml_exists():
        return {}
    found = st.secrets.get(name, {})
    return found if isinstance(found, Mapping) else {}


def _is_at_this_machine() -> bool:
    """Whether only this machine reaches the server, or it is declared open."""
    if os.environ.get(OPEN) == "1":
        return True
    if not is_direct(st.context.headers):
        return False
    return is_loopback(st.get_option("server.address"))


def is_direct(headers: Mapping[str, str]) -> bool:
    """Whether a browser of this machine asks, and no proxy for somebody else.

    Not every proxy says that it is one. But a browser always tells which page it shows,
    and a proxied one is under a name of its own.

    Args:
        headers: Of the connection; none where there is no connection, as in tests.
    """
    if any(name in headers for name in _FORWARDED):
        return False
    if "Host" not in headers:
        return True
    asked, shown = f"//{headers['Host']}", headers.get("Origin", "")
    return all(is_loopback(_host(address)) for address in (asked, shown))


def _host(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def is_loopback(address: str | None) -> bool:
    """Whether an address that a server listens on is this machine's own."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address or "").is_loopback
    except ValueError:
        return False


def _sign_in() -> None:
    with st.container(border=True, horizontal_alignment="center", key="sign_in"):
        st.space("small")
        st.markdown("### :material/lock: VOGN App", text_alignment="center")
        st.markdown(
            "Sign in with the account of your organisation to see runs and reports.",
            text_alignment="center",
        )
        st.button("Sign in", type="primary", icon=":material/login:", on_click=st.login)
        st.space("small")


def _stranger() -> None:
    st.markdown("## :material/block: No access")
    st.error(
        f"{escaped(_name())} is signed in, and is neither an editor nor a viewer of "
        "this dashboard. Ask whoever runs it to add your address.",
        icon=":material/block:",
    )
    st.button("Sign in as somebody else", icon=":material/logout:", on_click=st.logout)


def _signed_in() -> None:
    with (
        st.container(horizontal=True, horizontal_alignment="right"),
        st.popover(escaped(_name()), icon=":material/account_circle:"),
    ):
        st.markdown(f"You are signed in as {escaped(_name())}, {role()}.")
        st.button("Sign out", icon=":material/logout:", on_click=st.logout)


def _name() -> str:
    return str(st.user.get("email") or "An account without an address")

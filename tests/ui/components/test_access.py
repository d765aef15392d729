"""Tests of `ui/components/access.py`; of signing in: `tests/ui/test_signing_in.py`."""

from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui import fakes
from tests.ui.seen import errors, text
from ui.components import access
from ui.components.access import EDITOR, VIEWER, AccessError, is_loopback, role_of

ROLES = {"editors": ["Ada@example.com"], "viewers": ["*@example.com", "eve@else.com"]}


@pytest.mark.parametrize(
    ("email", "role"),
    [
        ("ada@example.com", EDITOR),
        ("ADA@Example.com", EDITOR),
        ("bob@example.com", VIEWER),
        ("eve@else.com", VIEWER),
        ("bob@example.com.evil.org", None),
        ("mallory@else.com", None),
        ("", None),
        (None, None),
        (["ada@example.com"], None),
    ],
)
def test_roles_go_by_address_and_pattern(email, role):
    assert role_of({"email": email}, ROLES) == role


@pytest.mark.parametrize("said", [False, "false", 0, None, "", "no"])
def test_an_unverified_address_is_nobodys(said):
    person = {"email": "ada@example.com", "email_verified": said}
    assert role_of(person, ROLES) is None
    for said in (True, "true"):
        assert role_of(person | {"email_verified": said}, ROLES) == EDITOR


def test_without_roles_nobody_gets_in():
    assert role_of({"email": "ada@example.com"}, {}) is None
    assert role_of({"email": "ada@example.com"}, {"editors": [1, None]}) is None


def test_a_single_pattern_may_stand_alone():
    assert role_of({"email": "a@b.c"}, {"viewers": "*@b.c"}) == VIEWER


def test_only_addresses_of_this_machine_are_loopback():
    assert all(map(is_loopback, ("127.0.0.1", "localhost", "::1", "127.1.2.3")))
    assert not any(map(is_loopback, ("0.0.0.0", "", None, "::", "192.168.1.5", "a.b")))


def test_at_this_machine_everybody_is_an_editor(open_page):
    app = open_page("runs")
    assert not app.exception
    assert "change nothing" not in text(app)


@pytest.mark.parametrize(
    ("headers", "direct"),
    [
        ({}, True),  # no connection at all
        ({"Host": "localhost:8501", "Origin": "http://localhost:8501"}, True),
        ({"Host": "127.0.0.1:80", "Origin": "http://127.0.0.1:80"}, True),
        ({"Host": "[::1]:8501", "Origin": "http://[::1]:8501"}, True),
        # Through a proxy that says nothing: with its name of us, or with its own.
        ({"Host": "127.0.0.1:8501", "Origin": "https://vogn.example.com"}, False),
        ({"Host": "vogn.example.com", "Origin": "http://localhost"}, False),
        ({"Host": "127.0.0.1:8501"}, False),  # every browser tells
        ({"Host": "127.0.0.1:8501", "Origin": "null"}, False),
        ({"Host": "[", "Origin": "http://["}, False),
        ({"Host": "localhost.evil.com", "Origin": "http://localhost"}, False),
    ],
)
def test_a_browser_of_this_machine_asks_under_its_own_name(headers, direct):
    assert access.is_direct(headers) == direct


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_a_proxy_that_says_so_is_one(header):
    asked = {"Host": "localhost", "Origin": "http://localhost"}
    assert not access.is_direct(asked | {header: "10.0.0.1"})


def test_who_comes_through_a_proxy_unasked_may_only_look(open_page, monkeypatch):
    headers = {"Host": "127.0.0.1:8501", "Origin": "https://vogn.example.com"}
    monkeypatch.setattr(access.st.context.__class__, "headers", headers)
    assert "You may look at everything here" in text(open_page("runs"))
    with pytest.raises(AccessError, match="Only editors may do this"):
        access.require_editor()


def test_who_comes_over_a_network_may_only_look_unless_declared_open(monkeypatch):
    monkeypatch.setattr(access.st, "get_option", lambda name: "0.0.0.0")
    monkeypatch.delenv(access.OPEN, raising=False)
    assert access.role() == VIEWER
    monkeypatch.setenv(access.OPEN, "1")
    assert access.role() == EDITOR


@pytest.fixture
def asked(monkeypatch):
    """Let the dashboard ask who is there; returns what says who is."""

    def sign_in(email=None, roles=ROLES):
        sections = {"auth": {"client_id": "vogn"}, "roles": roles}
        claims = {"email": email, "is_logged_in": email is not None}
        person = SimpleNamespace(**claims, get=claims.get, to_dict=lambda: claims)
        monkeypatch.setattr(access, "_section", lambda name: sections[name])
        monkeypatch.setattr(access.st, "user", person)

    return sign_in


def test_who_has_not_signed_in_sees_a_door_and_nothing_else(open_page, asked, root):
    fakes.write_run(root, "secret-run")
    asked()
    app = open_page("runs")
    assert [button.label for button in app.button] == ["Sign in"]
    assert "secret-run" not in text(app)
    assert not app.dataframe


def test_a_stranger_is_told_so(open_page, asked):
    asked("<b>_x_</b>@else.org")
    app = open_page("run", run="a")
    assert "is neither an editor nor a viewer" in errors(app)
    assert "\\<b\\>\\_x\\_" in app.error[0].value
    assert [button.label for button in app.button] == ["Sign in as somebody else"]


def test_a_viewer_and_an_editor_get_in(open_page, asked):
    asked("bob@example.com")
    assert "You are signed in as bob@example.com, viewer." in text(open_page("runs"))
    assert not access.may_edit()
    asked("ada@example.com")
    assert "You are signed in as ada@example.com, editor." in text(open_page("runs"))
    assert access.may_edit()


def test_a_viewer_changes_nothing_even_past_a_disabled_button(asked):
    def script() -> None:
        from ui.components import engine

        engine.attempt([lambda: 1 / 0])

    asked("bob@example.com")
    app = AppTest.from_function(script).run()
    assert not app.exception  # it was not done
    assert "Only editors may do this" in errors(app)

"""People sign in by OpenID Connect, behind a TLS proxy, in a real Chromium."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright import sync_api

from tests.ui import fakes
from tests.ui.chromium import (
    SWITCHES,
    chromium,
    free_port,
    serving,
    until,
)
from tests.ui.conftest import REPOSITORY
from tests.ui.oidc import CLIENT, SECRET, Provider, providing

pytestmark = [pytest.mark.browser, pytest.mark.slow]
EDITOR, VIEWER, STRANGER = "ada@example.com", "bob@example.com", "eve@elsewhere.com"
NAME = "vogn.example.com"  # as in deploy/
RESOLVE = f"--host-resolver-rules=MAP {NAME} 127.0.0.1"
CADDY = """{{
	admin off
	skip_install_trust
	auto_https disable_redirects
	storage file_system {folder}
}}
"""
SECRETS = """
[auth]
redirect_uri = "{address}/oauth2callback"
cookie_secret = "not a secret outside this test, and long enough"
client_id = "{client}"
client_secret = "{secret}"
server_metadata_url = "{issuer}/.well-known/openid-configuration"

[roles]
editors = ["ada@example.com"]
viewers = ["*@EXAMPLE.com"]
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with providing([EDITOR, VIEWER, STRANGER]) as provider:
        yield provider


@pytest.fixture(scope="module")
def address(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A dashboard that people sign in to, as deploy/ sets it up behind a TLS proxy."""
    folder = tmp_path_factory.mktemp("signing-in")
    fakes.write_run(folder / "runs", "a", evaluated=True)
    port = free_port()
    address, secrets = f"https://{NAME}:{port}", folder / "secrets.toml"
    secrets.write_text(
        SECRETS.format(
            address=address, client=CLIENT, secret=SECRET, issuer=provider.issuer
        )
    )
    flags = [*unit_flags(port), "--secrets.files", str(secrets)]
    with (
        serving(folder / "runs", 1, flags) as server,
        proxied(folder, port, server.port),
    ):
        yield address


def unit_flags(port: int) -> list[str]:
    """How the systemd unit starts the server, but for its own port and files."""
    text = (REPOSITORY / "deploy" / "vogn-app.service").read_text()
    lines = text.replace("\\\n", " ").splitlines()
    (command,) = [line for line in lines if line.startswith("ExecStart=")]
    words = shlex.split(command)
    words = words[words.index("ui/app.py") + 1 :]
    given = dict(zip(words[::2], words[1::2], strict=True))
    assert given["--server.address"] == "127.0.0.1"
    assert given["--secrets.files"] == "/etc/vogn-app/secrets.toml"
    assert given["--browser.serverPort"] == "443"
    del given["--server.port"], given["--secrets.files"]
    given["--browser.serverPort"] = str(port)
    return [word for pair in given.items() for word in pair]


@contextmanager
def proxied(folder: Path, port: int, behind: int) -> Iterator[None]:
    """Caddy with the file of deploy/, with a certificate of its own making."""
    caddy = shutil.which("caddy")
    if caddy is None:
        told = "No Caddy was found; on Debian: apt-get install caddy."
        pytest.fail(told) if os.environ.get("CI") == "true" else pytest.skip(told)
    text = (REPOSITORY / "deploy" / "Caddyfile").read_text()
    site = f"{NAME}:{port} {{\n\ttls internal\n"
    text = text.replace(f"{NAME} {{\n", site)
    text = text.replace("127.0.0.1:8501", f"127.0.0.1:{behind}")
    (folder / "Caddyfile").write_text(CADDY.format(folder=folder) + text)
    log = folder / "caddy.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [caddy, "run", "--config", str(folder / "Caddyfile")],
            stdout=file, stderr=file, env={"HOME": str(folder)},
        )  # fmt: skip
    try:
        until(lambda: "serving initial" in log.read_text(), "Caddy is up")
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = chromium()
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=path, args=[*SWITCHES, RESOLVE]
        )
        yield opened
        opened.close()


@contextmanager
def signed_in(browser: Any, address: str, person: str) -> Iterator[Any]:
    context = browser.new_context(base_url=address, ignore_https_errors=True)
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto("/runs")
    page.get_by_role("button", name="Sign in").wait_for()
    assert page.get_by_text("Launch").count() == 0  # nothing is shown before
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name=person).click()
    page.wait_for_url(f"{address}/**")
    yield page
    context.close()


def test_an_editor_may_launch_and_sign_out(browser, address):
    with signed_in(browser, address, EDITOR) as page:
        page.get_by_role("button", name="Launch", exact=True).wait_for()
        page.get_by_role("button", name=EDITOR).click()
        page.get_by_text("editor.").wait_for()
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("button", name="Sign in").wait_for()


def test_a_viewer_sees_runs_and_changes_nothing(browser, address):
    with signed_in(browser, address, VIEWER) as page:
        launch = page.get_by_role("button", name="Launch", exact=True)
        launch.wait_for()
        assert launch.is_disabled()
        page.goto("/run?run=a")
        page.get_by_role("heading", name="VOGN on Digits").wait_for()


def test_a_stranger_sees_nothing(browser, address):
    with signed_in(browser, address, STRANGER) as page:
        page.get_by_text("is neither an editor nor a viewer").wait_for()
        assert page.get_by_role("link", name="Runs").count() == 0

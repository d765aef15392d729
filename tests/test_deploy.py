"""Tests of the files in `deploy/`; the dashboard behind them is in `tests/ui`."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[1] / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))


def commands(unit):
    text = unit.read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line.startswith("ExecStart=")]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units_are_what_systemd_expects(unit, tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    # It looks whether the program is there, which is not on this machine.
    text = unit.read_text().replace("/opt/vogn-app/.venv/bin/python", "/bin/true")
    copies = [tmp_path / other.name for other in UNITS]
    for copy, other in zip(copies, UNITS, strict=True):
        copy.write_text(
            text
            if other == unit
            else other.read_text().replace(
                "/opt/vogn-app/.venv/bin/python", "/bin/true"
            )
        )
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / unit.name)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    told = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
    assert (done.returncode, told) == (0, [])


def test_a_restart_of_a_unit_ends_no_training():
    for unit in UNITS:
        assert "KillMode=process" in unit.read_text()


def test_a_restart_of_the_dispatcher_ends_the_one_of_the_old_program():
    text = (DEPLOY / "vogn-dispatcher.service").read_text()
    (start,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert f"\nExecStop={start} --stop\n" in text
    assert start.split(" -m ")[1] == "trainers serve"


def test_the_server_is_reached_by_this_machine_alone():
    (command,) = commands(DEPLOY / "vogn-app.service")
    assert "--server.address 127.0.0.1" in " ".join(command.split())
    assert "reverse_proxy 127.0.0.1:8501" in (DEPLOY / "Caddyfile").read_text()


def test_the_secrets_have_no_secret_and_all_that_is_needed():
    content = tomllib.loads((DEPLOY / "secrets.toml").read_text())
    assert content["auth"]["redirect_uri"].endswith("/oauth2callback")
    for name in ("cookie_secret", "client_id", "client_secret"):
        assert content["auth"][name] == ""
    assert set(content["roles"]) == {"editors", "viewers"}


def test_one_name_stands_in_all_files():
    for path in DEPLOY.iterdir():
        if path.name != "vogn-dispatcher.service":
            assert "vogn.example.com" in path.read_text()

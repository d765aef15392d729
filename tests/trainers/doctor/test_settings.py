"""Tests of the checks of variables."""

import pytest

from trainers.doctor import FAIL, OK, settings


def only(findings):
    (finding,) = findings
    return finding


@pytest.mark.parametrize(
    ("url", "level"),
    [
        ("", OK),
        ("https://user:secret@chat.example/hook/secret?key=secret", OK),
        ("ftp://chat.example", FAIL),
        ("chat.example", FAIL),
        ("https://", FAIL),
    ],
)
def test_a_webhook_is_an_address_and_stays_secret(monkeypatch, url, level):
    monkeypatch.setenv("VOGN_WEBHOOK", url)
    finding = only(settings.webhook())
    assert finding.level == level
    assert "secret" not in finding.text + finding.advice
    assert ("chat.example" in finding.text) == url.startswith("https://user")


def test_mirrors_must_exist_and_be_installed(monkeypatch):
    monkeypatch.delenv("VOGN_MIRRORS", raising=False)
    assert only(settings.trackers()).level == OK
    monkeypatch.setenv("VOGN_MIRRORS", "tensorboard, paper")
    finding = only(settings.trackers())
    assert finding.level == FAIL
    assert "got 'paper'" in finding.text
    monkeypatch.setenv("VOGN_MIRRORS", "tensorboard,wandb")
    lacking = {"wandb": "wandb is lacking.", "tensorboard": ""}
    monkeypatch.setattr(settings.mirrors, "missing", lacking.get)
    assert only(settings.trackers()).text == "wandb is lacking."
    monkeypatch.setattr(settings.mirrors, "missing", lambda name: "")
    assert only(settings.trackers()).text == "Runs are copied to: tensorboard, wandb."


@pytest.mark.parametrize(
    ("text", "level"),
    [(None, OK), ("0", OK), ("2.5", OK), ("-1", FAIL), ("inf", FAIL), ("soon", FAIL)],
)
def test_the_grace_is_a_time(monkeypatch, text, level):
    monkeypatch.delenv("VOGN_STOP_GRACE", raising=False)
    if text is not None:
        monkeypatch.setenv("VOGN_STOP_GRACE", text)
    assert only(settings.grace()).level == level

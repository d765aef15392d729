"""Tests of what all commands have in common."""

import pytest

from trainers.__main__ import build_parser, main
from trainers.commands import COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_each_has_a_line_of_help_and_a_page(name, capsys):
    assert COMMANDS[name].HELP in " ".join(build_parser().format_help().split())
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"usage: python -m trainers {name}" in capsys.readouterr().out


def test_under_torchrun_nothing_is_done_several_times(still, monkeypatch, capsys):
    place = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}
    for name, value in place.items() | {("MASTER_ADDR", "here"), ("MASTER_PORT", "1")}:
        monkeypatch.setenv(name, value)
    assert main(["queue", "--pause"]) == 2
    assert capsys.readouterr().err == (
        "error: queue must be run by one process, got 2.\n"
    )
    assert not still.paused

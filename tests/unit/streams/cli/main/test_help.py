"""The help of every command shows what is written of its options, brackets and all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from tapeline.streams.cli import main as cli

ESCAPED = re.compile(r"\\\[")


def commands(group: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with the words that call it."""
    yield names, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*names, name))


COMMANDS = dict(commands(typer.main.get_command(cli.app)))


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The help of a command, without frames and breaks of lines."""
    assert cli.main([*arguments, "--help"]) == 0
    return " ".join(capsys.readouterr().out.replace("│", " ").split())


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_what_is_written_of_an_option_is_shown(
    names: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = shown(capsys, *names)
    for parameter in COMMANDS[names].params:
        written = getattr(parameter, "help", None)
        if written is not None:
            assert ESCAPED.sub("[", " ".join(written.split())) in text


def test_brokers_are_those_of_the_section_kafka(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert "Brokers; else [kafka] bootstrap." in shown(capsys, "tail")

"""Options of the commands that run strategies over a log."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from tapeline.replay.hosting import StrategyChoice
from tapeline.replay.run import Replay
from tapeline.streams.errors import InputError
from tapeline.streams.hang import ended_when_hanging

StrategyOption = Annotated[
    str | None,
    typer.Option(
        "--strategy",
        metavar="NAME[,NAME]|all|FILE:CLASS",
        help="Run these strategies: of \\[strategies.<name>], of a package, or FILE.py:Class.",
    ),
]
SettingOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Key of the strategy, instead of its table."),
]
UnsafeOption = Annotated[
    bool, typer.Option("--unsafe", help="Take a strategy that may read a clock or a file.")
]
CheckMemoryOption = Annotated[
    bool, typer.Option("--check-memory", help="Check the memory of strategies at every call.")
]


def choice_of(given: Mapping[str, Any]) -> StrategyChoice | None:
    """The strategies that the options name; None: none.

    Parameters
    ----------
    given
        Values of the options by their parameters: ``strategy``, ``settings``, ``unsafe``,
        ``check_memory``.

    Raises
    ------
    InputError
        When options do not go together, or one cannot be read.
    """
    text, lines = given["strategy"], given["settings"] or []
    check_memory = given.get("check_memory", False)
    if text is None:
        for name, value in (
            ("--set", lines),
            ("--unsafe", given["unsafe"]),
            ("--check-memory", check_memory),
        ):
            if value:
                raise InputError(f"{name}: is of strategies; add --strategy")
        return None
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise InputError("--strategy: name at least one")
    if lines and len(names) > 1:
        raise InputError("--set: would be of several strategies; name one, or use their tables")
    return StrategyChoice(names, _settings(lines), given["unsafe"], check_memory)


def _settings(lines: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in lines:
        key, equals, text = line.partition("=")
        if not equals or not key.strip():
            raise InputError(f"--set {line}: give KEY=VALUE")
        found[key.strip()] = _value(text.strip())
    return found


def _value(text: str) -> Any:
    """A value as a table would have it; what is none there is a text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


@contextmanager
def watched(run: Replay) -> Iterator[None]:
    """While it lasts, a call of a strategy that does not return ends the process."""
    hosting = run.fold.hosting
    if hosting is None:
        yield
        return
    with ended_when_hanging(hosting.drivers, run.given.host.hang_seconds):
        yield

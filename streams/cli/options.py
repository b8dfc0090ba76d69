"""Options that several commands have, and what they mean."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from tapeline.schemas.config.model import Config
from tapeline.schemas.symbols import NAME_RULE, is_name
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.times import TimeUnit, whole_ms
from tapeline.streams.pipeline.refusals import DEFAULT_LIMIT, RejectLimit

FilesArgument = Annotated[
    list[str] | None,
    typer.Argument(help="CSV, CSV.gz, Parquet or logs (.jsonl, .jsonl.gz)."),
]
BarsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--bars",
        metavar="SYMBOL=FILE",
        help="A table of one symbol's bars; its position among the files counts.",
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="Configuration file; ./tapeline.toml if it is there."),
]
BootstrapOption = Annotated[
    str | None,
    typer.Option("--bootstrap", metavar="HOST:PORT", help="Brokers; else \\[kafka] bootstrap."),
]
TzOption = Annotated[str | None, typer.Option(help="Zone of times without offset.")]
TimeUnitOption = Annotated[
    TimeUnit | None,
    typer.Option("--time-unit", help="Unit of times that are numbers; milliseconds if not given."),
]
UntilOption = Annotated[
    list[str] | None,
    typer.Option(
        "--until",
        metavar="T|SYMBOL=T",
        help="Clock for every symbol at this time (ISO, offset or Z); with SYMBOL= that symbol ends"
        " there, later rows of it are left out. Can be repeated.",
    ),
]
AcceptOption = Annotated[
    list[str] | None,
    typer.Option(
        "--accept",
        metavar="NAME",
        help="With --store: begin a strategy anew that has failed, or of which the store knows"
        " another version. Can be repeated.",
    ),
]
MaxRejectsOption = Annotated[
    str,
    typer.Option(
        "--max-rejects",
        metavar="N|P%",
        help="Rows that may be dead letters, a number or a share; with more of them the exit code"
        " is 1, and a store is left as it was.",
    ),
]
DEFAULT_REJECTS = str(DEFAULT_LIMIT)
HealthHostOption = Annotated[str, typer.Option("--http-host", help="Where health is served.")]
DynamicOption = Annotated[bool, typer.Option("--dynamic", help="Join without static membership.")]
LOG_JSON = "--log-json"
LogJsonOption = Annotated[bool, typer.Option(LOG_JSON, help="Logs as JSON Lines.")]
# For tests: how long a process may send nothing must not depend on the machine they run on.
SessionOption = Annotated[float | None, typer.Option("--session-s", hidden=True, min=6.0)]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON instead of tables.")]


def reject_limit_of(text: str) -> RejectLimit:
    """Limit of ``--max-rejects``.

    Raises
    ------
    InputError
        When it is none.
    """
    try:
        return RejectLimit.parse(text)
    except ValueError as error:
        raise InputError(f"--max-rejects {error}") from error


def instant_of(option: str, text: str) -> int:
    """Instant of an option, UTC epoch milliseconds.

    Raises
    ------
    InputError
        When it is no time with an offset, or not in whole milliseconds.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{option} {text}: is no ISO time") from error
    if instant.tzinfo is None:
        raise InputError(f"{option} {text}: has no offset; append Z or +hh:mm")
    try:
        return whole_ms(instant, text)
    except ValueError as error:
        raise InputError(f"{option} {text}: is no time in whole milliseconds") from error


class UntilTimes(NamedTuple):
    """Where inputs end: a clock of all symbols; symbols that end at times of their own."""

    every_ms: int | None
    by_symbol: dict[str, int]


def until_of(texts: list[str] | None, config: Config) -> UntilTimes:
    """Times of ``--until``.

    Raises
    ------
    InputError
        When one cannot be read, is given twice, or is of a symbol that is not configured.
    """
    every_ms: int | None = None
    by_symbol: dict[str, int] = {}
    for text in texts or ():
        symbol, named, time = text.rpartition("=")
        instant_ms = instant_of(f"--until {symbol}=" if named else "--until", time)
        if not named:
            if every_ms is not None:
                raise InputError(
                    f"--until {text}: one time is for all symbols; give others as SYMBOL=T"
                )
            every_ms = instant_ms
            continue
        if not is_name(symbol):
            raise InputError(f"--until {text}: the symbol is not {NAME_RULE}; write SYMBOL=T")
        if symbol in by_symbol:
            raise InputError(f"--until {text}: {symbol} has a time already; leave one out")
        if config.instrument(symbol) is None:
            raise InputError(
                f"--until {text}: the configuration has no symbol {symbol!r}; write SYMBOL=T with"
                " one of its symbols"
            )
        by_symbol[symbol] = instant_ms
    return UntilTimes(every_ms, by_symbol)


def check_can_be_folder(folder: Path) -> None:
    """Check that a folder is there, or that nothing is in the way of it.

    Raises
    ------
    InputError
        When it, or what it is to lie in, is a file.
    """
    for path in (folder, *folder.parents):
        if os.path.lexists(path):
            if not path.is_dir():
                raise InputError(f"{path}: is not a folder")
            return

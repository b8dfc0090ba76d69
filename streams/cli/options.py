"""Options that several commands have, and what they mean."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

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
    str | None, typer.Option(help="Clock for every symbol at this time (ISO, offset or Z).")
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

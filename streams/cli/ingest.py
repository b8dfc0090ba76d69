"""The part of the command line that runs live feeds."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from tapeline.schemas.config.loading import load_config
from tapeline.streams.cli.options import (
    AcceptOption,
    BootstrapOption,
    ConfigOption,
    HealthHostOption,
)
from tapeline.streams.errors import InputError

FeedsArgument = Annotated[
    list[str], typer.Argument(metavar="FEED...", help="Feeds of the configuration.")
]


def add_to(app: typer.Typer) -> None:
    """Make the command part of the command line."""
    app.command()(ingest)


def ingest(
    feeds: FeedsArgument,
    store: Annotated[
        Path | None,
        typer.Option("--store", help="Folder of the store to write; else the log at the broker."),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="End when everything up to now is written.")
    ] = False,
    accept: AcceptOption = None,
    config: ConfigOption = None,
    bootstrap: BootstrapOption = None,
    json: Annotated[
        bool, typer.Option("--json", help="All operations as JSON Lines, no table and no log.")
    ] = False,
    http_host: HealthHostOption = "127.0.0.1",
    http_port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Its port; none is served without.")
    ] = None,
    # For tests: how long a process may stand still must not depend on the machine they run on.
    lease_s: Annotated[float, typer.Option(hidden=True, min=6.0)] = 30.0,
    summary_s: Annotated[float, typer.Option(hidden=True, min=0.01)] = 60.0,
) -> int:
    """Bring live feeds into the log, or into a store; lines for a log file without a terminal."""
    if accept and store is None:
        raise InputError("--accept belongs to --store DIR: the log of a broker has no strategies")
    from tapeline.streams.ingest.ingest import IngestOptions
    from tapeline.streams.ingest.process import IngestProcess, ServeOptions, Show
    from tapeline.streams.worker.runner import with_bootstrap

    settings = with_bootstrap(load_config(config), bootstrap)
    show: Show = "json" if json else "table" if sys.stdout.isatty() else "log"
    process = IngestProcess(
        settings,
        feeds,
        IngestOptions(store=store, once=once, lease_s=lease_s, accept=tuple(accept or ())),
        os.environ,
        ServeOptions(http_host, http_port, show, summary_s),
    )
    return asyncio.run(process.run())

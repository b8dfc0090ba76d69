"""The part of the command line that runs strategies live."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tapeline.schemas.config.loading import load_config
from tapeline.streams.cli.options import (
    BootstrapOption,
    ConfigOption,
    DynamicOption,
    HealthHostOption,
    LogJsonOption,
    SessionOption,
)
from tapeline.streams.cli.strategy_options import UnsafeOption


def add_to(app: typer.Typer) -> None:
    """Make the command part of the command line."""
    app.command()(host)


def host(
    instance: Annotated[
        int | None,
        typer.Option(
            min=0, max=63, help="Ordinal of this host; the lowest that is free in the data folder."
        ),
    ] = None,
    data_dir: Annotated[
        Path, typer.Option(help="Folder of what a host remembers of its starts.")
    ] = Path("tapeline-data"),
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="T",
            help="Where strategies without a state begin (session date, or ISO time with offset or"
            " Z); else at the end of the log.",
        ),
    ] = None,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            "--accept",
            metavar="NAME",
            help="Begin a strategy anew whose stored state is of another version, or which has"
            " failed. Can be repeated.",
        ),
    ] = None,
    unsafe: UnsafeOption = False,
    config: ConfigOption = None,
    bootstrap: BootstrapOption = None,
    http_host: HealthHostOption = "127.0.0.1",
    http_port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Its port; 9564 + instance.")
    ] = None,
    dynamic: DynamicOption = False,
    log_json: LogJsonOption = False,
    session_s: SessionOption = None,
) -> None:
    """Run the enabled strategies on a Kafka cluster until it is stopped."""
    from tapeline.streams.worker.exits import leaving_on_signals

    # Before the rest is imported, which takes a second.
    with leaving_on_signals():
        from tapeline.replay.bounds import parse_bound
        from tapeline.streams.hosting.process import SESSION_S, HostOptions, run_host
        from tapeline.streams.worker.runner import with_bootstrap

        settings = with_bootstrap(load_config(config), bootstrap)
        options = HostOptions(
            instance=instance,
            data_dir=data_dir,
            http_host=http_host,
            http_port=http_port,
            log_json=log_json,
            dynamic=dynamic,
            begin=None if from_ is None else parse_bound("--from", from_),
            accepted=tuple(accept or ()),
            unsafe=unsafe,
            session_s=SESSION_S if session_s is None else session_s,
        )
        run_host(settings, options)

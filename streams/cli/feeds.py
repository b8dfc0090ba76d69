"""The part of the command line for live feeds: which there are, and whether a mapping fits."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from random import Random
from typing import Annotated

import typer

from tapeline.schemas.codec import encode
from tapeline.schemas.config.feed_loading import preset_names
from tapeline.schemas.config.feeds import FeedConfig
from tapeline.schemas.config.loading import load_config
from tapeline.schemas.config.model import CONFIG_FILE, Config
from tapeline.schemas.config.values import with_nearest
from tapeline.schemas.errors import DIFFERENT
from tapeline.streams.cli.options import BootstrapOption, ConfigOption, JsonOption
from tapeline.streams.cli.show.feeds import check_data, check_lines, feed_data, feeds_table
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.live.check import check_tape
from tapeline.streams.feeds.live.mapping.compiled import compile_mapping
from tapeline.streams.feeds.live.model import Append, FeedLetter
from tapeline.streams.feeds.live.replay import replay_tape
from tapeline.streams.feeds.live.secrets import available_secrets, secrets_set
from tapeline.streams.feeds.live.tape import tape_messages
from tapeline.streams.outputs.terminal import (
    plain_console,
    print_document,
    print_line,
    write_lines,
)
from tapeline.streams.pipeline.log_writer import KnownLog
from tapeline.streams.pipeline.routing import Router

feed_app = typer.Typer(
    help="Live feeds: list, check, drill, record and replay tapes, reconcile.", no_args_is_help=True
)
SEED = 1
"""Of the waits between attempts: a replay has the same ones each time."""


def add_to(app: typer.Typer) -> None:
    """Make the commands part of the command line."""
    app.add_typer(feed_app, name="feed")


@feed_app.command("list")
def feed_list(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show the feeds of the configuration, and whether their secrets are set."""
    settings = load_config(config)
    found = [(feed, secrets_set(feed, os.environ)) for feed in settings.feeds.values()]
    if json:
        print_document([feed_data(feed, secrets) for feed, secrets in found])
        return
    if found:
        plain_console(wide=True).print(feeds_table(found))
    else:
        print_line(f"No feeds in {config or CONFIG_FILE}.")
    print_line(f"Presets: {', '.join(preset_names())}.")


@feed_app.command("check")
def feed_check(
    feed: Annotated[
        str, typer.Argument(metavar="FILE|FEED", help="A configuration with one feed, or its name.")
    ],
    sample: Annotated[
        str,
        typer.Option(
            "--sample", metavar="FILE", help="Recorded messages, one a line (.jsonl, .gz)."
        ),
    ],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Show what each recorded message becomes, or why it becomes nothing."""
    settings, found = feed_of(feed, config)
    if found.mapping is None:
        raise InputError(f"feed {found.name}: kind {found.kind} is read by its adapter")
    mapping = compile_mapping(found, settings, available_secrets(found, os.environ))
    messages = tape_messages(sample, settings.limits.input_mib)
    report = check_tape(found, settings, mapping, messages)
    if json:
        print_document(check_data(report))
    else:
        for line in check_lines(report):
            print_line(line)
    return DIFFERENT if report.findings else 0


@feed_app.command("record")
def feed_record(
    feed: Annotated[str, typer.Argument(metavar="FEED", help="A feed of the configuration.")],
    out: Annotated[
        Path, typer.Option("--out", help="The tape (.jsonl, .jsonl.gz); it must not be there.")
    ],
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0.1, help="How long; else until a signal.")
    ] = None,
    config: ConfigOption = None,
) -> int:
    """Record what a provider sends and answers, with times of receipt and without secrets."""
    from tapeline.streams.ingest.recording import Recorder

    settings, found = feed_of(feed, config)
    recorder = Recorder(found, settings, os.environ, out)
    code = asyncio.run(recorder.run(seconds))
    print_line(f"{recorder.lines} lines in {out}", err=True)
    return code


@feed_app.command("replay")
def feed_replay(
    tape: Annotated[str, typer.Argument(metavar="TAPE", help="Recorded messages (.jsonl, .gz).")],
    feed: Annotated[
        str | None,
        typer.Option("--feed", metavar="NAME", help="Feed of the tape, where there are several."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="File of the records; else they are printed.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Make the records of a tape, as the feed would have written them; always the same ones."""
    from tapeline.streams.feeds.live.engine.feed import FeedEngine

    settings, found = _only_feed(config) if feed is None else feed_of(feed, config)
    if found.mapping is None:
        raise InputError(f"feed {found.name}: kind {found.kind} is read by its adapter")
    mapping = compile_mapping(found, settings, available_secrets(found, os.environ))
    engine = FeedEngine(found, mapping, Router(settings), KnownLog(), Random(SEED))
    results = replay_tape(engine, list(tape_messages(tape, settings.limits.input_mib)))
    lines = [
        encode(entry.record)
        for each in results
        if isinstance(each, Append)
        for entry in each.entries
    ]
    if out is None:
        write_lines(lines)
    else:
        out.write_bytes(b"".join(line + b"\n" for line in lines))
    letters = sum(isinstance(each, FeedLetter) for each in results)
    print_line(f"{len(lines)} records, {letters} dead letters", err=True)


@feed_app.command("reconcile")
def feed_reconcile(
    feed: Annotated[str, typer.Argument(metavar="FEED", help="A feed of the configuration.")],
    session: Annotated[
        str, typer.Option("--session", metavar="DATE", help="Session to compare (ISO date).")
    ],
    publish: Annotated[
        bool, typer.Option("--publish", help="Append what differs to the log.")
    ] = False,
    store: Annotated[
        Path | None,
        typer.Option("--store", help="Folder of the store; else the log at the broker."),
    ] = None,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Compare the view with one of the provider's bars, too."),
    ] = False,
    config: ConfigOption = None,
    bootstrap: BootstrapOption = None,
    json: JsonOption = False,
    # For tests: how long a lease is waited for must not depend on the machine they run on.
    lease_s: Annotated[float, typer.Option(hidden=True, min=6.0)] = 30.0,
) -> int:
    """Compare the log of a session with the provider's history of it."""
    # With the clients of HTTP, which no other command needs.
    from tapeline.streams.cli.show.reconciling import reconciliation_data, reconciliation_lines
    from tapeline.streams.ingest.reconcile import ReconcileOptions, reconcile
    from tapeline.streams.worker.runner import with_bootstrap

    settings = with_bootstrap(load_config(config), bootstrap)
    options = ReconcileOptions(
        session=session, store=store, publish=publish, verify=verify, lease_s=lease_s
    )
    found = asyncio.run(reconcile(settings, feed, options, os.environ))
    if json:
        print_document(reconciliation_data(found))
    else:
        for line in reconciliation_lines(found):
            print_line(line)
    return 0 if found.same else DIFFERENT


@feed_app.command("drill")
def feed_drill(
    feed: Annotated[
        str, typer.Argument(metavar="FILE|FEED", help="A configuration with one feed, or its name.")
    ],
    script: Annotated[
        list[str] | None,
        typer.Option("--script", metavar="NAME", help="Play this script alone; may be repeated."),
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Play scripts of faults against a feed: a provider on loopback has its mapping, and fails."""
    # With the clients of HTTP, which no other command needs.
    from tapeline.streams.cli.show.feed_drill import drill_data, result_lines, verdict_line
    from tapeline.streams.feeds.live.transports.inbox import read_clocks
    from tapeline.streams.ingest.drill.drill import ScriptResult, chosen_scripts, drill_feed

    settings, found = feed_of(feed, config)

    def show(result: ScriptResult) -> None:
        if not json:
            for line in result_lines(result):
                print_line(line)

    scripts = chosen_scripts(script or ())
    report = drill_feed(found, settings, scripts, read_clocks().wall_ms, show)
    if json:
        print_document(drill_data(report))
    else:
        print_line(verdict_line(report))
    return 0 if report.holds else DIFFERENT


def _only_feed(config: Path | None) -> tuple[Config, FeedConfig]:
    settings = load_config(config)
    if len(settings.feeds) != 1:
        names = ", ".join(settings.feeds) or "none"
        raise InputError(f"{config or CONFIG_FILE}: has the feeds {names}; name one with --feed")
    return settings, next(iter(settings.feeds.values()))


def feed_of(text: str, config: Path | None) -> tuple[Config, FeedConfig]:
    """The feed of a name, or the only one of a file.

    Raises
    ------
    InputError
        When there is no such feed, or the file has several.
    """
    if config is None and text.endswith(".toml"):
        settings = load_config(text)
        if len(settings.feeds) != 1:
            names = ", ".join(settings.feeds) or "none"
            raise InputError(f"{text}: has the feeds {names}; name one, with --config {text}")
        return settings, next(iter(settings.feeds.values()))
    settings = load_config(config)
    found = settings.feeds.get(text)
    if found is None:
        shown = with_nearest(text, settings.feeds) or "none"
        raise InputError(f"feed {text}: {config or CONFIG_FILE} has the feeds: {shown}")
    return settings, found

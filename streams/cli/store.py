"""The part of the command line that has to do with stores: run --store, state, tail, gaps.

What reads and writes them is imported by the command that needs it: a small run must start fast.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import orjson
import typer

from tapeline.schemas.config.loading import load_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.registry import EVENTS
from tapeline.streams.cli.options import BootstrapOption, ConfigOption, instant_of
from tapeline.streams.cli.show.progress import ProgressBar
from tapeline.streams.core.correct.corrections import Correction
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.opening import Source
from tapeline.streams.outputs.run_folder import MANIFEST
from tapeline.streams.outputs.terminal import plain_console, print_document, print_line, write_lines
from tapeline.streams.pipeline.refusals import refuse_beyond_limit

if TYPE_CHECKING:
    # The database is slow to import, and most commands need none.
    from tapeline.streams.store.run import StoreOptions

LOOK_EVERY_S = 0.5
"""Between two looks at a store that is followed."""

StoreOption = Annotated[Path | None, typer.Option("--store", help="Folder of the store.")]
RunOption = Annotated[
    Path | None, typer.Option("--run", help="Folder of a run of files, or of a replay.")
]
SymbolOption = Annotated[
    str | None,
    typer.Option(
        "--symbol",
        help="Of this symbol; a pair is of its group and, in topics, of each member.",
    ),
]
TypeOption = Annotated[str | None, typer.Option("--type", help="Of this type, such as touch.")]
LinesOption = Annotated[bool, typer.Option("--json", help="JSON Lines instead of a table.")]


def run_and_report(
    config: Config,
    sources: list[Source],
    folder: Path,
    options: StoreOptions,
    explain: Callable[[int, Correction], None] | None,
    as_json: bool,
) -> None:
    """Run files into a store and print what they did.

    Raises
    ------
    TooManyRefusedError, RowsRefusedError
        When more rows are refused than `StoreOptions.max_rejects` allows; what was found is printed
        before.
    """
    from tapeline.streams.cli.show.store import (
        print_refused_delivery,
        print_store_summary,
        refused_delivery,
        store_summary,
    )
    from tapeline.streams.store.first_look import TooManyRefusedError
    from tapeline.streams.store.run import StoreCallbacks, run_into_store

    try:
        with ProgressBar(sources) as progress:
            callbacks = StoreCallbacks(progress.reporter, explain)
            result = run_into_store(config, sources, folder, options, callbacks)
    except TooManyRefusedError as error:
        if as_json:
            found = refused_delivery(folder, error)
            print_document(found)
        else:
            print_refused_delivery(plain_console(), folder, error)
        raise
    if as_json:
        print_document(store_summary(result))
    else:
        print_store_summary(plain_console(), result)
    refuse_beyond_limit(result.report)


def rebuild_and_report(
    config: Path | None, store: Path | None, others: bool, as_json: bool
) -> None:
    """Make a store again from its log and print what that led to.

    Parameters
    ----------
    others
        Whether other options or files were given.
    """
    from tapeline.streams.cli.show.store import made_again_summary, print_made_again
    from tapeline.streams.store.from_log import make_again

    if store is None or others:
        raise InputError("--rebuild: give it with --store DIR, without files and other options")
    result = make_again(load_config(config), store)
    if as_json:
        print_document(made_again_summary(result))
    else:
        print_made_again(plain_console(), result)


def state(
    store: StoreOption = None,
    symbol: Annotated[
        str | None,
        typer.Option(
            "--symbol",
            help="Of this symbol; a pair is of its group and, in topics without --as-of, of each"
            " member.",
        ),
    ] = None,
    kind: TypeOption = None,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", help="As of this ISO time, or session date (its close)."),
    ] = None,
    json: LinesOption = False,
    config: ConfigOption = None,
    bootstrap: BootstrapOption = None,
) -> None:
    """Show the current view, of the topics or of a store: every fact once, sorted by id."""
    from tapeline.streams.store.reading import StoreReader

    if as_of is not None:
        past = _view_as_of(load_config(config), (store, bootstrap), as_of, symbol, kind)
        _show(past, f"View as of {as_of}", json)
        return
    if store is None:
        lines: Iterable[bytes] = asyncio.run(_view_of_topics(config, bootstrap, symbol, kind))
        _show(lines, "Current view", json)
        return
    with StoreReader(store) as reader:
        _show(reader.view(symbol, kind), "Current view", json)


def tail(
    topic: Annotated[str, typer.Argument(help="Such as tape.touches.v1, or touches.")],
    store: StoreOption = None,
    symbol: SymbolOption = None,
    kind: TypeOption = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="Events from this time on (ISO, offset or Z).")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Wait for more; a store is looked at twice a second.")
    ] = False,
    json: LinesOption = False,
    config: ConfigOption = None,
    bootstrap: BootstrapOption = None,
) -> None:
    """Show the events of a topic or a store, in order; JSON Lines when stdout is not a terminal."""
    from tapeline.streams.store.reading import StoreReader

    if kind is not None and kind not in EVENTS.types:
        raise InputError(f"--type {kind}: is none of {', '.join(EVENTS.types)}")
    from_ms = None if from_ is None else instant_of("--from", from_)
    as_lines = json or not sys.stdout.isatty()
    if store is None:
        options = TailOptions(topic, symbol, kind, from_ms, follow)
        asyncio.run(_tail_topic(config, bootstrap, options, as_lines))
        return
    if follow:
        _follow_store(store, TailOptions(topic, symbol, kind, from_ms, follow), as_lines)
        return
    with StoreReader(store) as reader:
        _show(reader.tail(topic, symbol, kind, from_ms), topic, as_lines)


def gaps(
    store: StoreOption = None,
    run: RunOption = None,
    symbol: Annotated[str | None, typer.Option("--symbol", help="Of this symbol.")] = None,
    json: LinesOption = False,
    config: ConfigOption = None,
    bootstrap: BootstrapOption = None,
) -> None:
    """Show missing bars by session, of topics, a store or a run: expected, present, why."""
    from tapeline.streams.pipeline.missing import Explain, explained_by, feed_members, unexplained
    from tapeline.streams.store.reading import StoreReader

    check_one_tape(store, run)
    if run is not None:
        _gaps_of_run(run, symbol, json)
        return
    if store is None:
        _gaps_of_topics(load_config(config), bootstrap, symbol, json)
        return
    with StoreReader(store) as reader:
        explain: Explain = unexplained
        strangers: set[str] = set()
        if reader.has_operations:
            # Only what live feeds wrote needs the configuration: its feeds and calendars.
            settings = load_config(config)
            reader.check_settings(settings)
            operations = reader.operations(feed_members(settings))
            explain = explained_by(settings, operations)
            strangers = operations.strangers
        _show_gaps(reader.gaps(symbol, explain), reader.sessions(symbol), strangers, json)


def check_one_tape(store: Path | None, run: Path | None) -> None:
    """Refuse two tapes at once.

    Raises
    ------
    InputError
        When both are named.
    """
    if store is not None and run is not None:
        raise InputError("--store and --run: name one of them")


def _gaps_of_run(folder: Path, symbol: str | None, as_json: bool) -> None:
    from tapeline.replay.sources.opening import read_manifest
    from tapeline.streams.outputs.run_reading import RunReader

    reader = RunReader(folder, read_manifest(folder / MANIFEST))
    _show_gaps(reader.gaps(symbol), reader.sessions(symbol), (), as_json)


def _gaps_of_topics(
    config: Config, bootstrap: str | None, symbol: str | None, as_json: bool
) -> None:
    from tapeline.streams.consuming.topics import current_view
    from tapeline.streams.kafka.connection import brokers_of, quiet_client
    from tapeline.streams.kafka.status import read_operations
    from tapeline.streams.pipeline.missing import explained_by, sessions_with_gaps

    brokers = brokers_of(config.kafka, bootstrap)
    quiet_client()
    facts = {
        kind: [
            orjson.loads(line)
            for line in asyncio.run(current_view(config.kafka, brokers, symbol, kind))
        ]
        for kind in ("gap", "session")
    }
    operations = asyncio.run(read_operations(config, brokers))
    explain = explained_by(config, operations)
    sessions = sessions_with_gaps(facts["gap"], facts["session"], explain)
    _show_gaps(sessions, len(facts["session"]), operations.strangers, as_json)


def _show_gaps(
    sessions: Iterable[dict[str, Any]], total: int, strangers: Iterable[str], as_json: bool
) -> None:
    from tapeline.streams.cli.show.store import print_gaps

    if as_json:
        write_lines(orjson.dumps(session) for session in sessions)
    else:
        print_gaps(plain_console(wide=True), sessions, total)
    for feed in sorted(strangers):
        print_line(
            f"feed {feed}: is not in the configuration, so what it reported of all its symbols"
            " explains no gap; name its configuration by --config",
            err=True,
        )


class TailOptions(NamedTuple):
    """What `tail` was asked for."""

    topic: str
    symbol: str | None
    kind: str | None
    from_ms: int | None
    follow: bool


def _view_as_of(
    config: Config,
    options: tuple[Path | None, str | None],
    as_of: str,
    symbol: str | None,
    kind: str | None,
) -> list[bytes]:
    """The view of a store, or of the log of brokers, at an instant."""
    from tapeline.replay.bounds import parse_bound
    from tapeline.replay.explain.as_of import view_of_log, view_of_store
    from tapeline.replay.sources.opening import Origin, source_of
    from tapeline.streams.kafka.connection import brokers_of, quiet_client

    store, bootstrap = options
    bound = parse_bound("--as-of", as_of)
    if store is not None:
        return view_of_store(config, store, bound, symbol, kind)
    quiet_client()
    source = source_of(config, Origin(brokers=brokers_of(config.kafka, bootstrap))).source
    return asyncio.run(view_of_log(config, source, bound, symbol, kind))


def _follow_store(store: Path, options: TailOptions, as_lines: bool) -> None:
    """Print what a store has of a topic, and what each commit adds, until it is interrupted."""
    from tapeline.streams.cli.show.store import EventRows
    from tapeline.streams.store.following import looks
    from tapeline.streams.store.reading import topic_named
    from tapeline.streams.store.topic_reader import TopicReader

    topic, symbol, kind, from_ms, _ = options
    read_on = TopicReader(store, topic_named(topic))
    rows = EventRows(plain_console(), topic)
    for reader in looks(store, partial(time.sleep, LOOK_EVERY_S)):
        lines = reader.tail(topic, symbol, kind, from_ms, read_on)
        if as_lines:
            write_lines(lines)
        else:
            for line in lines:
                rows.print(line)


async def _view_of_topics(
    config: Path | None, bootstrap: str | None, symbol: str | None, kind: str | None
) -> list[bytes]:
    from tapeline.streams.consuming.topics import current_view
    from tapeline.streams.kafka.connection import brokers_of, quiet_client

    kafka = load_config(config).kafka
    quiet_client()
    return await current_view(kafka, brokers_of(kafka, bootstrap), symbol, kind)


async def _tail_topic(
    config: Path | None, bootstrap: str | None, options: TailOptions, as_lines: bool
) -> None:
    from tapeline.streams.cli.show.store import EventRows
    from tapeline.streams.consuming.topics import topic_lines, topic_named
    from tapeline.streams.kafka.connection import brokers_of, quiet_client

    kafka = load_config(config).kafka
    quiet_client()
    topic = topic_named(options.topic, kafka.topic_prefix)
    lines = topic_lines(
        topic,
        brokers_of(kafka, bootstrap),
        options.symbol,
        options.from_ms,
        options.follow,
    )
    rows = EventRows(plain_console(), topic)
    # Closed before the loop of asyncio ends, also when the reader of stdout has gone.
    async with aclosing(lines):
        async for line in lines:
            if options.kind is not None and orjson.loads(line)["type"] != options.kind:
                continue
            if as_lines:
                write_lines([line])
            else:
                rows.print(line)


def add_to(app: typer.Typer) -> None:
    """Make the commands part of the command line."""
    for command in (state, tail, gaps):
        app.command()(command)


def _show(lines: Iterable[bytes], title: str, as_lines: bool) -> None:
    from tapeline.streams.cli.show.store import print_events

    if as_lines:
        write_lines(lines)
    else:
        print_events(plain_console(), lines, title)

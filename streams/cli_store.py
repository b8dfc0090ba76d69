"""The part of the command line that has to do with stores: run --store, state, tail, gaps.

What reads and writes them is imported by the command that needs it: a small run must start fast.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from schemas.config import Config
from streams.core.corrections import Correction
from streams.feeds.items import InputError
from streams.feeds.times import EPOCH, MILLISECOND
from streams.inputs import Source
from streams.progress import ProgressBar

StoreOption = Annotated[Path | None, typer.Option("--store", help="Folder of the store.")]
SymbolOption = Annotated[
    str | None, typer.Option("--symbol", help="Of this symbol; of pairs: of this group.")
]
TypeOption = Annotated[str | None, typer.Option("--type", help="Of this type, such as touch.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON Lines instead of a table.")]


def run_and_report(
    config: Config,
    sources: list[Source],
    folder: Path,
    options: tuple[int | None, str | None, int | None, bool],
    explain: Callable[[int, Correction], None] | None,
    as_json: bool,
) -> None:
    """Run files into a store and print what they did.

    Parameters
    ----------
    options
        Time of ``--until``, zone, time of ``--from``, ``--replace``.
    """
    from streams.store_tables import print_store_summary, store_summary
    from streams.stored_run import StoreOptions, run_into_store

    with ProgressBar(sources) as progress:
        result = run_into_store(
            config, sources, folder, StoreOptions(*options), progress.reporter, explain
        )
    if as_json:
        typer.echo(orjson.dumps(store_summary(result), option=orjson.OPT_INDENT_2).decode())
    else:
        print_store_summary(_console(), result)


def state(
    store: StoreOption = None,
    symbol: SymbolOption = None,
    kind: TypeOption = None,
    json: JsonOption = False,
) -> None:
    """Show the current view: every fact once, sorted by id."""
    from streams.store.reading import StoreReader

    with StoreReader(_named(store)) as reader:
        lines = reader.view(symbol, kind)
        if json:
            _write(lines)
        else:
            _print(lines, "Current view")


def tail(
    topic: Annotated[str, typer.Argument(help="Such as tape.touches.v1, or touches.")],
    store: StoreOption = None,
    symbol: SymbolOption = None,
    kind: TypeOption = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="Events from this time on (ISO, offset or Z).")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show the events of a topic in their order; JSON Lines where nobody watches."""
    from streams.store.reading import StoreReader

    from_ms = None if from_ is None else instant_of("--from", from_)
    with StoreReader(_named(store)) as reader:
        lines = reader.tail(topic, symbol, kind, from_ms)
        if json or not sys.stdout.isatty():
            _write(lines)
        else:
            _print(lines, topic)


def gaps(
    store: StoreOption = None,
    symbol: SymbolOption = None,
    json: JsonOption = False,
) -> None:
    """Show missing bars by session: expected, present, holes."""
    from streams.store.reading import StoreReader
    from streams.store_tables import print_gaps

    with StoreReader(_named(store)) as reader:
        sessions = reader.gaps(symbol)
        if json:
            _write(orjson.dumps(session) for session in sessions)
        else:
            print_gaps(_console(), sessions, reader.sessions(symbol))


def instant_of(option: str, text: str) -> int:
    """Instant of an option, UTC epoch milliseconds.

    Raises
    ------
    InputError
        When it is no time with an offset.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{option} {text}: is no ISO time") from error
    if moment.tzinfo is None:
        raise InputError(f"{option} {text}: has no offset; append Z or +hh:mm")
    return (moment - EPOCH) // MILLISECOND


def add_to(app: typer.Typer) -> None:
    """Make the commands part of the command line."""
    for command in (state, tail, gaps):
        app.command()(command)


def _named(store: Path | None) -> Path:
    if store is None:
        raise InputError("--store DIR is missing: which store?")
    return store


def _write(lines: Iterable[bytes]) -> None:
    out = sys.stdout.buffer
    for line in lines:
        out.write(line)
        out.write(b"\n")
    out.flush()


def _print(lines: Iterable[bytes], title: str) -> None:
    from streams.store_tables import print_events

    print_events(_console(), lines, title)


def _console() -> Console:
    # What files hold is shown as it is, also what looks like markup.
    return Console(markup=False, emoji=False)

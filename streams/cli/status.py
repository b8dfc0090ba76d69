"""The command that sets a tape against the clock of this machine: status."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tapeline.schemas.config.loading import load_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.errors import DIFFERENT
from tapeline.schemas.instants import SECOND_MS
from tapeline.streams.cli.options import BootstrapOption, ConfigOption, instant_of
from tapeline.streams.cli.show.status import print_status, status_data
from tapeline.streams.cli.store import LOOK_EVERY_S, RunOption, StoreOption, check_one_tape
from tapeline.streams.outputs.run_folder import MANIFEST
from tapeline.streams.outputs.terminal import plain_console, print_document
from tapeline.streams.pipeline.status import Status, status_of

Clock = Callable[[], int]
TOPICS_EVERY_S = 5.0
"""Between two looks at topics, each of which reads days of the log."""


def status(
    store: StoreOption = None,
    run: RunOption = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Again and again, until it is interrupted.")
    ] = False,
    fail: Annotated[
        bool, typer.Option("--fail", help="Exit code 1 when a symbol is stale in session.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="JSON instead of tables; with --watch one a line.")
    ] = False,
    config: ConfigOption = None,
    bootstrap: BootstrapOption = None,
    # For tests and pages: what is shown must not depend on when they run.
    now: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> int:
    """Show how fresh each symbol is by this machine's clock, of topics, a store or a run."""
    clock = _machine_ms if now is None else partial(instant_of, "--now", now)
    check_one_tape(store, run)
    settings = load_config(config)
    if store is not None:
        looks = _store_looks(store, settings, clock, partial(time.sleep, LOOK_EVERY_S))
    elif run is not None:
        looks = _run_looks(run, settings, clock, partial(time.sleep, LOOK_EVERY_S))
    else:
        looks = _topic_looks(settings, bootstrap, clock, partial(time.sleep, TOPICS_EVERY_S))
    shown = None
    for found in looks:
        data = status_data(found)
        # The time alone is no news.
        news = {**data, "as_of_ms": 0}
        if news != shown:
            shown = news
            if json:
                print_document(data, compact=watch)
            else:
                console = plain_console(wide=True)
                if watch:
                    console.clear()
                print_status(console, found, "this machine's clock" if now is None else "--now")
        if fail and found.stale:
            return DIFFERENT
        if not watch:
            break
    return 0


def add_to(app: typer.Typer) -> None:
    """Make the command part of the command line."""
    app.command()(status)


def _machine_ms() -> int:
    return int(time.time() * SECOND_MS)


def _topic_looks(
    config: Config, bootstrap: str | None, clock: Clock, pause: Callable[[], None]
) -> Iterator[Status]:
    """How the topics are, now and after each pause."""
    from tapeline.streams.kafka.connection import brokers_of, quiet_client
    from tapeline.streams.kafka.status import facts_of_topics

    brokers = brokers_of(config.kafka, bootstrap)
    quiet_client()
    while True:
        facts = asyncio.run(facts_of_topics(config, brokers, clock()))
        yield status_of(facts, clock())
        pause()


def _store_looks(
    folder: Path, config: Config, clock: Clock, pause: Callable[[], None]
) -> Iterator[Status]:
    """How a store is, now and after each pause; it is opened again after a commit alone."""
    from tapeline.streams.store.layout import commits_of
    from tapeline.streams.store.reading import StoreReader
    from tapeline.streams.store.status import StoreStatus

    source = StoreStatus(folder, config)
    seen: int | None = None
    while True:
        commits = commits_of(folder)
        if commits != seen:
            seen = commits
            with StoreReader(folder) as reader:
                facts = source.look(reader, clock())
        yield status_of(facts, clock())
        pause()


def _run_looks(
    folder: Path, config: Config, clock: Clock, pause: Callable[[], None]
) -> Iterator[Status]:
    """How a run is, now and after each pause; it is read again when its folder was replaced."""
    from tapeline.replay.sources.opening import check_configuration, read_manifest
    from tapeline.streams.outputs.run_reading import RunReader

    path = folder / MANIFEST
    seen: int | None = None
    while True:
        written = path.stat().st_mtime_ns if path.exists() else None
        if written is None or written != seen:
            manifest = read_manifest(path)
            check_configuration(config, manifest, str(folder))
            facts = RunReader(folder, manifest).status(config, clock())
            seen = written
        yield status_of(facts, clock())
        pause()

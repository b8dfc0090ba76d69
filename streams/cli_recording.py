"""What becomes of a replay on the command line: a folder, topics of the run, lines; until its end.

A replay that follows ends by a signal, in good order: what it has is complete, with its manifest.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import typer
from msgspec import Struct

from replay.control import Control
from replay.opening import Origin, source_of
from replay.results import Sinks, replay_into
from replay.run import Replay, ReplayOptions
from schemas.codec import encode
from schemas.config import Config
from streams.feeds.items import InputError
from streams.summary import RunResult

ENDING = (signal.SIGINT, signal.SIGTERM)


class Destination(Struct, frozen=True):
    """Where results go; with neither, events are printed.

    Attributes
    ----------
    run_id
        Of the topics; None: no topics.
    bootstrap
        Brokers of the topics.
    """

    folder: Path | None = None
    run_id: str | None = None
    bootstrap: str = ""


def destination(
    folder: Path | None, to_topics: bool, run_id: str | None, bootstrap: str
) -> Destination:
    """What the options mean.

    Raises
    ------
    InputError
        When an id is given for no topics.
    """
    if not to_topics:
        if run_id is not None:
            raise InputError(f"--run-id {run_id}: is the name of topics; add --to-topics")
        return Destination(folder)
    from replay.run_topics import fresh_run_id

    return Destination(folder, fresh_run_id() if run_id is None else run_id, bootstrap)


async def record(
    config: Config,
    origin: Origin,
    options: ReplayOptions,
    where: Destination,
    given: dict[str, Any],
    pace: Control | None = None,
) -> tuple[RunResult, dict[str, Any] | None]:
    """Run a replay to its end; returns the result, and the manifest of a run that was replayed."""
    opened = source_of(config, origin)
    async with AsyncExitStack() as stack:
        run = await stack.enter_async_context(Replay(config, opened.source, options, pace))
        topics = None
        if where.run_id is not None:
            from replay.run_topics import RunTopics, partitions_of

            partitions = partitions_of(run.source)
            topics = await stack.enter_async_context(
                RunTopics(config.kafka, where.bootstrap, where.run_id, partitions)
            )
        if options.follow:
            await stack.enter_async_context(followed(run))
        return await replay_into(run, Sinks(where.folder, topics), given), opened.manifest


async def print_lines(
    config: Config, origin: Origin, options: ReplayOptions, pace: Control | None = None
) -> None:
    """Every event as a line of JSON, in the total order."""
    out = sys.stdout.buffer
    async with AsyncExitStack() as stack:
        source = source_of(config, origin).source
        run = await stack.enter_async_context(Replay(config, source, options, pace))
        if options.follow:
            await stack.enter_async_context(followed(run))
        async for event in run:
            out.write(encode(event))
            out.write(b"\n")
            if run.live.is_set() or pace is not None:
                out.flush()
    out.flush()


@asynccontextmanager
async def followed(run: Replay) -> AsyncGenerator[None, None]:
    """While it lasts, a signal ends the replay in good order, and a second one at once."""
    loop = asyncio.get_running_loop()

    def end() -> None:
        run.stop()
        for number in ENDING:
            loop.remove_signal_handler(number)

    for number in ENDING:
        loop.add_signal_handler(number, end)
    announcing = asyncio.create_task(_announce(run))
    try:
        yield
    finally:
        announcing.cancel()
        for number in ENDING:
            loop.remove_signal_handler(number)


async def _announce(run: Replay) -> None:
    await run.live.wait()
    sys.stdout.flush()
    seams = ", ".join(f"{each}:{offset}" for each, offset in sorted(run.seam_offsets.items()))
    typer.echo(f"live from offset {seams} on; Ctrl-C ends it in good order", err=True)

"""What becomes of a replay on the command line: a folder, topics of the run, lines; until its end.

A replay that follows ends by a signal, in good order: what it has is complete, with its manifest.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct

from tapeline.replay.pace.control import Control
from tapeline.replay.pace.keys import HINT, listening, press
from tapeline.replay.pace.progress import ReplayBar
from tapeline.replay.results.results import Sinks, replay_into, untimed_text
from tapeline.replay.run import Replay, ReplayOptions
from tapeline.replay.sources.opening import Origin, source_of
from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import Config
from tapeline.schemas.config.security import Brokers
from tapeline.streams.cli.strategy_options import watched
from tapeline.streams.errors import InputError
from tapeline.streams.outputs.terminal import LineWriter, print_line
from tapeline.streams.pipeline.pacing import parse_speed
from tapeline.streams.pipeline.summary import RunResult

ENDING = (signal.SIGINT, signal.SIGTERM)


class Destination(Struct, frozen=True):
    """Where results go; with neither, events are printed.

    Attributes
    ----------
    run_id
        Of the topics; None: no topics.
    brokers
        Brokers of the topics.
    """

    folder: Path | None = None
    run_id: str | None = None
    brokers: Brokers | None = None


def destination(
    folder: Path | None, to_topics: bool, run_id: str | None, brokers: Brokers
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
    from tapeline.replay.results.topics import fresh_run_id

    return Destination(folder, fresh_run_id() if run_id is None else run_id, brokers)


class Watch:
    """On a terminal: shows how a replay goes, and takes the keys that steer it.

    Attributes
    ----------
    control
        Paces the replay; None where no pace was asked for and none can be.
    paced
        Whether a pace was asked for.
    """

    def __init__(self, speed: float | None, skip_idle_s: float | None) -> None:
        self.control: Control | None = None
        self.paced = speed is not None or skip_idle_s is not None
        if self.paced or sys.stdin.isatty() or sys.stderr.isatty():
            self.control = Control("max" if speed is None else speed, skip_idle_s)

    @contextmanager
    def over(self, run: Replay) -> Iterator[None]:
        """Show and listen while the block runs."""
        control = self.control
        if control is None:
            yield
            return
        with (
            listening(partial(press, control)) as heard,
            ReplayBar(lambda: control.state, end_ms=run.to_ms, hint=HINT if heard else None),
        ):
            yield


def parse_replay_speed(text: str) -> float | None:
    """Factor of ``--speed``; None: max.

    Raises
    ------
    InputError
        When it is none.
    """
    try:
        return parse_speed(text)
    except ValueError:
        raise InputError(f"--speed {text}: give max, or a number from 0.1 to 100000") from None


async def record(
    config: Config,
    origin: Origin,
    options: ReplayOptions,
    where: Destination,
    given: dict[str, Any],
    watch: Watch,
) -> tuple[RunResult, dict[str, Any] | None]:
    """Run a replay to its end; returns the result, and the manifest of a run that was replayed."""
    opened = source_of(config, origin)
    async with AsyncExitStack() as stack:
        run = await stack.enter_async_context(Replay(config, opened.source, options, watch.control))
        topics = None
        if where.run_id is not None:
            from tapeline.replay.results.topics import RunTopics, partitions_of

            partitions = partitions_of(run.source)
            topics = await stack.enter_async_context(
                RunTopics(
                    config.kafka,
                    where.brokers or config.kafka.brokers,
                    where.run_id,
                    partitions,
                    hosted=run.strategies is not None,
                )
            )
        if options.follow:
            await stack.enter_async_context(followed(run))
        stack.enter_context(watched(run))
        stack.enter_context(watch.over(run))
        return await replay_into(run, Sinks(where.folder, topics), given), opened.manifest


async def print_lines(config: Config, origin: Origin, options: ReplayOptions, watch: Watch) -> None:
    """Every event as a line of JSON, in the total order."""
    out = LineWriter()
    async with AsyncExitStack() as stack:
        source = source_of(config, origin).source
        run = await stack.enter_async_context(Replay(config, source, options, watch.control))
        if options.follow:
            await stack.enter_async_context(followed(run))
        for note in run.notes:
            print_line(f"{note}.", err=True)
        stack.enter_context(watched(run))
        stack.enter_context(watch.over(run))
        async for event in run:
            out.write(encode(event))
            if run.live.is_set() or watch.control is not None:
                out.flush()
    out.flush()
    if run.untimed:
        print_line(f"{untimed_text(run.untimed)}.", err=True)


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
    print_line(f"live from offset {seams} on; Ctrl-C ends it in good order", err=True)

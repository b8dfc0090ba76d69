"""A process of a replay, ``python -m tapeline.replay.processes.child``: work comes from `job`."""

from __future__ import annotations

import asyncio
import hashlib
import os
import pickle
import signal
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import Any, BinaryIO

import tapeline
from tapeline.replay.processes.job import Ended, Failed, Job, KeyedResult, Replaced
from tapeline.replay.processes.parent import replay_in_processes
from tapeline.replay.results.results import (
    bar_line_of,
    early_letters,
    manifest,
    replay_to_folder,
    swings_of,
)
from tapeline.replay.run import Replay
from tapeline.replay.sources.items import LogItem, Release
from tapeline.replay.sources.opening import source_of
from tapeline.schemas.config.model import Config
from tapeline.schemas.errors import InternalError, TapelineError
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.streams.calendars import time_zone_version
from tapeline.streams.calendars.zones import zone_changes
from tapeline.streams.core import engine
from tapeline.streams.outputs.run_bars import BarLine, encode_bars
from tapeline.streams.outputs.terminal import guard_standard_error
from tapeline.streams.pipeline.summary import RunResult

ORPHANED = 130
JOB_INPUT = 0
EARLY = -1
PIECE = 500


class OrderKeys:
    """Where records are in the total order: the greatest event time of their partition so far."""

    def __init__(self) -> None:
        self._reached: dict[int, int] = {}
        self._of_piece: dict[tuple[int, int], int] = {}

    def hear(self, items: Sequence[LogItem]) -> None:
        """The next records that are read; those before are over."""
        reached, of_piece = self._reached, self._of_piece
        of_piece.clear()
        for offset, _, partition, time_ms, _, _ in items:
            last = reached.get(partition, FAR_PAST_MS)
            if time_ms > last:
                reached[partition] = last = time_ms
            of_piece[partition, offset] = last

    def result(self, release: Release, bar: BarLine | None) -> KeyedResult:
        """What a record of the last piece led to, with its key and its line of `bars.jsonl`."""
        partition, offset = release.item.partition, release.item.offset
        replaced = None
        if release.correction is not None:
            correction = release.correction
            replaced = Replaced(
                correction.bars_again, [(each.old, each.new) for each in correction.changes]
            )
        return KeyedResult(
            self._of_piece[partition, offset],
            partition,
            offset,
            release.events,
            release.letter,
            replaced,
            None if bar is None else encode_bars([bar]),
        )


async def send_parts(job: Job, out: BinaryIO) -> Ended:
    """Replay the share of the job and send what every record led to."""
    keys = OrderKeys()
    async with Replay(job.config, source_of(job.config, job.origin).source, job.options) as run:
        run.heard = keys.hear
        names = job.options.selection.names
        share = job.options.selection.share
        if share is None or share[0] == 0:
            # Each process has found the same ones.
            early = enumerate(early_letters(run))
            _send([KeyedResult(FAR_PAST_MS, EARLY, at, [], each, None) for at, each in early], out)
        async for batch in run.batches():
            lines = ((each, bar_line_of(each, names)) for each in batch)
            results = (keys.result(each, bar) for each, bar in lines if bar or _has_results(each))
            while piece := list(islice(results, PIECE)):
                _send(piece, out)
        whole = all(span.start == 0 for span in run.fold.spans.values())
        return Ended(
            manifest(run, job.given),
            {symbol: dict(found) for symbol, found in run.fold.outcomes.items()},
            run.released,
            getattr(run.source, "superseded", 0),
            swings_of(run) if whole else {},
            surroundings(job.config),
        )


def write_folder(job: Job) -> Ended:
    """Replay into a run directory, as the command does."""
    assert job.folder is not None
    result: RunResult
    if job.processes > 1:
        result = replay_in_processes(
            job.config, job.origin, job.options, job.folder, job.given, job.processes
        )
    else:
        result = asyncio.run(_write_alone(job, job.folder))
    return Ended(result.manifest, {}, 0, 0, {}, surroundings(job.config))


async def _write_alone(job: Job, folder: Path) -> RunResult:
    async with Replay(job.config, source_of(job.config, job.origin).source, job.options) as run:
        return await replay_to_folder(run, folder, job.given)


def surroundings(config: Config) -> dict[str, str]:
    """What decides results and is given by no option: code, and tables of time zones."""
    zones = sorted({template.zone for template in config.templates.values()})
    return {
        "code_version": tapeline.__version__,
        "compiled": str(not str(engine.__file__).endswith(".py")),
        "time_zone_version": time_zone_version(),
        **{
            f"time zone {zone}": hashlib.sha256(repr(zone_changes(zone)).encode()).hexdigest()
            for zone in zones
        },
    }


def _has_results(release: Release) -> bool:
    return bool(release.events or release.letter or release.correction)


def _send(what: Any, out: BinaryIO) -> None:
    if what:
        pickle.dump(what, out, pickle.HIGHEST_PROTOCOL)


def main() -> None:
    """Do the job; an error of our own ends the process with a traceback."""
    guard_standard_error()
    # An interrupt is for the parent, and that one ends its children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What anything else prints must not get between the results.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with os.fdopen(os.dup(JOB_INPUT), "rb") as source:
        job = pickle.load(source)
    Thread(target=_end_with_parent, daemon=True).start()
    answer: Ended | Failed
    try:
        answer = asyncio.run(send_parts(job, out)) if job.folder is None else write_folder(job)
    except InternalError:
        raise
    except (TapelineError, OSError) as error:
        answer = Failed(error)
    _send(answer, out)
    out.flush()
    os._exit(0)


def _end_with_parent() -> None:
    while os.read(JOB_INPUT, 1):
        pass
    os._exit(ORPHANED)


if __name__ == "__main__":
    main()

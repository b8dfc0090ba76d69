"""One replay by several processes: each has a share of the groups, and the parts make the whole.

Every process reads the log; the work of the core is what they divide. A part comes sorted by the
keys of the total order, through a pipe that holds little: the memory of the whole does not depend
on the length of the range. Merged by these keys, the parts are what one process writes.
"""

from __future__ import annotations

import asyncio
import time
from collections import ChainMap
from collections.abc import Sequence
from contextlib import ExitStack
from heapq import merge
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tapeline.replay.processes.job import Child, Ended, Job, KeyedResult
from tapeline.replay.results.results import Tally, wall, write_results
from tapeline.replay.run import ReplayOptions
from tapeline.replay.sources.opening import Origin, ended
from tapeline.replay.sources.protocol import LogMissingError
from tapeline.schemas.config.model import Config
from tapeline.streams.core.correct.corrections import Change, Correction
from tapeline.streams.errors import InputError
from tapeline.streams.outputs.run_folder import RunDirectory
from tapeline.streams.pipeline.manifest import COUNTERS, OF_GROUPS, joined
from tapeline.streams.pipeline.summary import RunResult

MOST_PROCESSES = 64


def replay_in_processes(
    config: Config,
    origin: Origin,
    options: ReplayOptions,
    folder: Path,
    given: dict[str, Any],
    processes: int,
) -> RunResult:
    """Replay into a run directory, by so many processes; outside of any event loop.

    It waits for pipes, which an interrupt of the command must be able to end.

    Parameters
    ----------
    given
        Options as they were given, for the manifest.

    Raises
    ------
    InputError, LogMissingError, StoreError, BrokerError, OSError
        As one process would; an earlier run in the folder is as it was.
    ChildDiedError
        When a process died.
    """
    if options.follow:
        raise InputError("--processes: following needs one process")
    # The log of a cluster grows, and all processes must see the same one.
    fixed = asyncio.run(ended(config, origin))
    started = time.time()
    tally = Tally()
    with ExitStack() as stack:
        directory = stack.enter_context(RunDirectory(folder, tally.summary.add))
        children = [
            stack.enter_context(Child(_share(config, fixed, options, given, number, processes)))
            for number in range(processes)
        ]
        for result in merge(*(child.results() for child in children), key=_order_key):
            correction = _correction(result)
            write_results(directory.files, tally, result.events, result.letter, correction)
            if result.bar is not None:
                directory.bars.add_encoded(result.bar)
        parts = [child.ended for child in children if child.ended is not None]
        written = directory.finish()
        found = _whole(config, parts)
        outcomes = {symbol: each for part in parts for symbol, each in part.outcomes.items()}
        rows = sum(part.rows for part in parts)
        found[COUNTERS] = tally.counters(outcomes, rows, parts[0].superseded)
        found.update(written)
        found["wall"] = wall(started)
        directory.commit(found)
    tally.summary.swings = dict(ChainMap(*(part.swings for part in parts)))
    return RunResult(found, tally.summary, folder, {})


def _share(
    config: Config,
    origin: Origin,
    options: ReplayOptions,
    given: dict[str, Any],
    number: int,
    processes: int,
) -> Job:
    selection = replace(options.selection, share=(number, processes))
    return Job(
        config=config, origin=origin, options=replace(options, selection=selection), given=given
    )


def _order_key(result: KeyedResult) -> tuple[int, int, int]:
    return result[:3]


def _correction(result: KeyedResult) -> Correction | None:
    if result.replaced is None:
        return None
    correction = Correction("", 0, None, None)
    correction.bars_again = result.replaced.bars_again
    correction.changes = [Change(old, new) for old, new in result.replaced.changes]
    return correction


def _whole(config: Config, parts: Sequence[Ended]) -> dict[str, Any]:
    """The manifest of all parts, which agree in all but what belongs to their groups."""
    first = parts[0].manifest
    for part in parts[1:]:
        for name, value in part.manifest.items():
            if name not in OF_GROUPS and first[name] != value:
                raise LogMissingError(
                    f"the processes of the replay did not read the same: {name} is"
                    f" {first[name]} and {value}; repeat it when nothing changes the source"
                )
    return joined(config, [part.manifest for part in parts])

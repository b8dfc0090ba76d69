"""Where the results of a replay go: a run directory, with a manifest that repeats it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streams
from replay.items import Release
from replay.run import Replay
from schemas.config import config_hash
from schemas.events import Reject
from streams.calendars import calendar_checksum, time_zone_version
from streams.core.symbol import FATES
from streams.run_directory import MANIFEST_MARK, RunDirectory
from streams.summary import RunResult, RunSummary


class Tally:
    """What became of the records of a replay, counted as they are released."""

    def __init__(self) -> None:
        self.summary = RunSummary()
        self.rebuilds = 0
        self.bars_again = 0

    def correction(self, release: Release) -> None:
        """A late, changed or cancelled bar; what it replaced is counted."""
        correction = release.correction
        assert correction is not None
        if correction.changes:
            self.rebuilds += 1
            self.bars_again += correction.bars_again
            self.summary.corrected(correction.changes)

    def counters(self, replay: Replay) -> dict[str, Any]:
        """The part of the manifest; every record inside the bounds has one fate."""
        symbols = {
            symbol: {fate: fates.get(fate, 0) for fate in FATES}
            for symbol, fates in sorted(replay.fold.fates.items())
        }
        return {
            "rows": replay.released,
            "until_clocks": 0,
            "superseded": getattr(replay.source, "superseded", 0),
            **{fate: sum(each[fate] for each in symbols.values()) for fate in FATES},
            "rebuilds": self.rebuilds,
            "bars_again": self.bars_again,
            "ids_changed": {
                kind: changed.totals() for kind, changed in sorted(self.summary.ids_changed.items())
            },
            "rejects": dict(sorted(replay.rejects.items())),
            "symbols": symbols,
        }


async def replay_to_folder(
    replay: Replay,
    folder: Path,
    options: dict[str, Any],
    progress: Callable[[Replay], None] | None = None,
) -> RunResult:
    """Run a replay that is open into a run directory.

    Parameters
    ----------
    options
        As they were given, for the manifest.
    progress
        Called now and then.

    Raises
    ------
    ForeignFolderError
        When something else lies there.
    LogMissingError, BrokerError, OSError
        When reading or writing failed; an earlier run in the folder is as it was.
    """
    tally = Tally()
    started = time.time()
    with RunDirectory(folder, tally.summary.add) as directory:
        for letter in _early_letters(replay):
            directory.write_letter(letter)
        async for batch in replay.batches():
            for release in batch:
                events = release.events
                if release.correction is not None:
                    # What it replaces must have been counted.
                    directory.flush()
                    tally.correction(release)
                if events:
                    directory.write(events)
                if release.letter is not None:
                    directory.write_letter(release.letter)
            if progress is not None:
                progress(replay)
        counts, hashes = directory.finish()
        found = manifest(replay, options)
        found["counters"] = tally.counters(replay)
        found["topics"] = counts
        found[MANIFEST_MARK] = hashes
        found["wall"] = wall(started)
        directory.commit(found)
    if all(span.start == 0 for span in replay.fold.spans.values()):
        tally.summary.swings = _swings(replay)
    return RunResult(found, tally.summary, folder, {})


def _swings(replay: Replay) -> dict[str, dict[int, int]]:
    """Swings by class of each symbol; the engines count those of their whole history."""
    return {
        symbol: engine.swings_by_class(symbol)
        for engine in replay.fold.engines().values()
        for symbol in (plan.symbol for plan in engine.plan.instruments)
        if symbol in replay.fold.fates
    }


def wall(started: float) -> dict[str, Any]:
    """When a replay began, by the clock on the wall, and how long it took."""
    return {"started_ms": int(started * 1_000), "seconds": round(time.time() - started, 3)}


def manifest(replay: Replay, options: dict[str, Any]) -> dict[str, Any]:
    """All that decides the results of a replay that has ended (replay.md section 3)."""
    used = (replay.config.instrument(symbol) for symbol in replay.fold.fates)
    calendars = sorted({instrument.calendar for instrument in used if instrument is not None})
    partitions = {}
    for partition, span in replay.fold.spans.items():
        extent = replay.source.extents[partition]
        partitions[str(partition)] = {
            "begin": extent.begin,
            "end": extent.end,
            "read_from": replay.read_from[partition],
            "start": span.next_offset if span.start is None else span.start,
            "stop": span.next_offset,
        }
    return {
        "source": {**replay.source.identity(), "partitions": partitions},
        "input_sha256": replay.input_digests(),
        "mode": "as-corrected" if replay.options.as_corrected else "as-recorded",
        "start_state": replay.start_states,
        "config_hash": config_hash(replay.given),
        "calendars": {calendar: calendar_checksum(calendar) for calendar in calendars},
        "time_zone_version": time_zone_version(),
        "code_version": streams.__version__,
        "options": options,
        "seam_offset": {str(each): offset for each, offset in sorted(replay.seam_offsets.items())},
    }


def _early_letters(replay: Replay) -> list[Reject]:
    """Dead letters of what was sorted out before the first release."""
    letters: list[Reject] = getattr(replay.source, "letters", [])
    return letters

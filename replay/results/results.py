"""Where the results of a replay go: a run directory, with a manifest that repeats it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from tapeline.replay.hosting import manifest_parts
from tapeline.replay.run import Replay
from tapeline.replay.sources.corrected import CorrectedSource
from tapeline.replay.sources.fingerprint import PartitionHashes
from tapeline.replay.sources.items import Release
from tapeline.schemas.events import Output, Reject
from tapeline.schemas.host_events import HostEvent
from tapeline.streams.core.correct.corrections import Correction
from tapeline.streams.core.outcome import OUTCOMES
from tapeline.streams.outputs.run_bars import KEPT, BarLine, BarsFile
from tapeline.streams.outputs.run_folder import RunDirectory, TopicFiles
from tapeline.streams.pipeline.collector import rare_collections
from tapeline.streams.pipeline.host_summary import HostSummary
from tapeline.streams.pipeline.manifest import COUNTERS, counters, made_with
from tapeline.streams.pipeline.refusals import Refusal
from tapeline.streams.pipeline.summary import RunResult, RunSummary

if TYPE_CHECKING:
    # The Kafka client is slow to import, and most replays go to files.
    from tapeline.replay.results.topics import RunTopics


ORDER = "shown"
"""How records of several partitions were ordered: `streams.kafka.shown`."""


def untimed_text(count: int) -> str:
    """What is to be known of records whose CreateTime is not their time."""
    return (
        f"CreateTime of {count:,} records read is not the end of their bar, or the time of their"
        " clock: order and bounds follow the records themselves"
    )


class Tally:
    """What became of the records of a replay, counted as they are released."""

    def __init__(self) -> None:
        self.summary = RunSummary()
        self.hosted = HostSummary()
        self.rebuilds = 0
        self.bars_again = 0

    def count(self, events: Sequence[Any]) -> None:
        """Events of one topic that were written; those of hosts are counted as they come."""
        if not isinstance(events[0], HostEvent):
            self.summary.add(events)

    def correction(self, correction: Correction) -> None:
        """A late, changed or cancelled bar; what it replaced is counted."""
        if correction.changes:
            self.rebuilds += 1
            self.bars_again += correction.bars_again
            self.summary.corrected(correction.changes)

    def counters(
        self, outcomes: Mapping[str, Mapping[str, int]], rows: int, superseded: int
    ) -> dict[str, Any]:
        """The part of the manifest; every record inside the bounds has one outcome."""
        return counters(
            {
                symbol: {kind: found.get(kind, 0) for kind in OUTCOMES}
                for symbol, found in sorted(outcomes.items())
            },
            self.summary,
            rows=rows,
            superseded=superseded,
            work={"rebuilds": self.rebuilds, "bars_again": self.bars_again},
        )


class Sinks(Struct, frozen=True):
    """Where the results of a replay go: a run directory, topics of the run, or both.

    Attributes
    ----------
    topics
        Open.
    """

    folder: Path | None = None
    topics: RunTopics | None = None


async def replay_to_folder(
    replay: Replay,
    folder: Path,
    options: dict[str, Any],
    progress: Callable[[Replay], None] | None = None,
) -> RunResult:
    """Run a replay that is open into a run directory; see `replay_into`."""
    return await replay_into(replay, Sinks(folder), options, progress)


async def replay_into(
    replay: Replay,
    sinks: Sinks,
    options: dict[str, Any],
    progress: Callable[[Replay], None] | None = None,
    by_partition: bool = False,
) -> RunResult:
    """Run a replay that is open, and write in a manifest what it was and what came out.

    Parameters
    ----------
    options
        As they were given, for the manifest.
    progress
        Called now and then.
    by_partition
        Put hashes of each partition into the manifest, too, as for a replay that follows: in what
        order the partitions arrived, no repetition can know.

    Raises
    ------
    ForeignFolderError
        When something else lies in the folder.
    LogMissingError, BrokerError, OSError
        When reading or writing failed; an earlier run in the folder is as it was, and the topics
        are those of an incomplete run.
    """
    tally = Tally()
    hosted = replay.strategies is not None
    started = time.time()
    topics = sinks.topics
    with ExitStack() as stack:
        stack.enter_context(rare_collections())
        directory = None
        if sinks.folder is not None:
            directory = stack.enter_context(
                RunDirectory(sinks.folder, tally.count, replay.registry, hosted)
            )
            files = directory.files
        else:
            files = TopicFiles(None, tally.count, replay.registry, hosted)
            stack.callback(files.abandon)
        early = early_letters(replay)
        for letter in early:
            files.write_letter(letter)
        if topics is not None:
            await topics.write_letters(early)
        names = replay.options.selection.names
        # When it is not known when more comes, nothing waits for it.
        at_once = replay.options.follow or replay.pace is not None
        parts = PartitionHashes(replay.registry) if by_partition or replay.options.follow else None
        async for batch in replay.batches():
            for release in batch:
                write_results(files, tally, release.events, release.letter, release.correction)
                if release.hosted:
                    files.write(release.hosted)
                    tally.hosted.add(release.hosted)
            if directory is not None:
                write_bars(directory.bars, batch, names)
            if parts is not None:
                parts.add(batch)
            if topics is not None:
                await topics.write(batch, at_once)
            if progress is not None:
                progress(replay)
        written = files.finish().parts() if directory is None else directory.finish()
        found = {**manifest(replay, options), **manifest_parts(replay.given, replay.strategies)}
        if topics is not None:
            found["run_id"] = topics.run_id
        superseded = getattr(replay.source, "superseded", 0)
        found[COUNTERS] = tally.counters(replay.fold.outcomes, replay.released, superseded)
        found.update(written)
        if parts is not None:
            found["partition_sha256"] = parts.digests()
        found["wall"] = wall(started)
        if topics is not None:
            await topics.commit(found)
        if directory is not None:
            directory.commit(found)
    if all(span.start == 0 for span in replay.fold.spans.values()):
        tally.summary.swings = swings_of(replay)
    return RunResult(
        found, tally.summary, sinks.folder, {}, hosted=tally.hosted if hosted else None
    )


def write_results(
    files: TopicFiles,
    tally: Tally,
    events: Sequence[Output],
    letter: Reject | None,
    correction: Correction | None,
) -> None:
    """What one record led to."""
    if correction is not None:
        # What it replaces must have been counted.
        files.flush()
        tally.correction(correction)
    if events:
        files.write(events)
    if letter is not None:
        files.write_letter(letter)


def write_bars(bars: BarsFile, batch: Sequence[Release], names: Collection[str] | None) -> None:
    """The bars of records, of all symbols or of those named."""
    for release in batch:
        line = bar_line_of(release, names)
        if line is not None:
            bars.add(line)


def bar_line_of(release: Release, names: Collection[str] | None) -> BarLine | None:
    """The line of a record in `bars.jsonl`; None where it has none."""
    outcome, content = release.outcome, release.item.content
    if outcome is None or outcome not in KEPT or isinstance(content, Refusal):
        return None
    if names is not None and content.symbol not in names:
        return None
    return BarLine(release.item.offset, outcome, content)


def swings_of(replay: Replay) -> dict[str, dict[int, int]]:
    """Swings by class of each symbol; the engines count those of their whole history."""
    # Asked once: it is counted anew for every symbol there is.
    inside = replay.fold.outcomes
    return {
        symbol: engine.swings_by_class(symbol)
        for engine in replay.fold.engines().values()
        for symbol in (plan.symbol for plan in engine.plan.instruments)
        if symbol in inside
    }


def wall(started: float) -> dict[str, Any]:
    """When a replay began, by the clock on the wall, and how long it took."""
    return {"started_ms": int(started * 1_000), "seconds": round(time.time() - started, 3)}


def manifest(replay: Replay, options: dict[str, Any]) -> dict[str, Any]:
    """All that decides the results of a replay that has ended (docs/rules.md 15.5)."""
    names = replay.options.selection.names
    source = replay.source
    # Sorted bars have positions of their own; to repeat it, one needs to know what was read.
    extents = source.log if isinstance(source, CorrectedSource) else source.extents
    partitions = {}
    for partition, span in replay.fold.spans.items():
        extent = extents[partition]
        partitions[str(partition)] = {
            "begin": extent.begin,
            "end": extent.end,
            "read_from": replay.read_from[partition],
            "start": span.next_offset if span.start is None else span.start,
            "stop": span.next_offset,
        }
    return {
        "source": {**source.identity(), "partitions": partitions},
        "input_sha256": replay.input_digests(),
        "mode": "as-corrected" if replay.options.as_corrected else "as-recorded",
        "start_state": replay.start_states,
        "notes": replay.notes,
        "order": ORDER,
        "untimed": replay.untimed,
        **made_with(replay.given, replay.config, replay.fold.outcomes, replay.fold.engines()),
        "options": options,
        "selected": None if names is None else sorted(names),
        "seam_offset": {str(each): offset for each, offset in sorted(replay.seam_offsets.items())},
    }


def early_letters(replay: Replay) -> list[Reject]:
    """Dead letters of what was sorted out before the first release."""
    letters: list[Reject] = getattr(replay.source, "letters", [])
    return letters

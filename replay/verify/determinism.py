"""Whether a stretch gives the same bytes whatever the surroundings: hash seeds, pieces, processes.

Each run is a process of its own. What no output may depend on differs between them; what may decide
an output (code, calendars, tables of time zones, input) must be the same, and is compared, too.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from tapeline.replay.hosting import STRATEGIES
from tapeline.replay.processes.job import Child, Ended, Job
from tapeline.replay.run import ReplayOptions
from tapeline.replay.sources.opening import Origin, ended
from tapeline.replay.sources.protocol import FETCH_RECORDS
from tapeline.schemas.config.model import Config
from tapeline.streams.pipeline.manifest import OUTPUT_SHA256


class Variation(Struct, frozen=True):
    """One run.

    Attributes
    ----------
    environment
        Variables of its process; None: not set.
    fetch_records
        Records handed over at once, at most.
    processes
        Into how many its groups are split.
    """

    name: str
    environment: Mapping[str, str | None]
    fetch_records: int = FETCH_RECORDS
    processes: int = 1


VARIATIONS = (
    Variation("hash seed 0, UTC", {"PYTHONHASHSEED": "0", "TZ": "UTC"}),
    Variation(
        "hash seed 1, Asia/Kolkata, records one by one",
        {"PYTHONHASHSEED": "1", "TZ": "Asia/Kolkata"},
        fetch_records=1,
    ),
    Variation(
        "hash seed 4711, America/St_Johns, ten records at once",
        {"PYTHONHASHSEED": "4711", "TZ": "America/St_Johns"},
        fetch_records=10,
    ),
    Variation(
        "random hash seed, no time zone, groups in 2 processes",
        {"PYTHONHASHSEED": "random", "TZ": None},
        processes=2,
    ),
    Variation(
        "hash seed 99, Pacific/Kiritimati, groups in 4 processes",
        {"PYTHONHASHSEED": "99", "TZ": "Pacific/Kiritimati"},
        processes=4,
    ),
)
"""The first one is what the others are compared with."""
HOSTED_VARIATIONS = (
    *(each for each in VARIATIONS if each.processes == 1),
    Variation("random hash seed, no time zone", {"PYTHONHASHSEED": "random", "TZ": None}),
)
"""Of replays with strategies, which need one process."""


class FirstDifference(Struct, frozen=True):
    """The first thing that is not as in the first run.

    Attributes
    ----------
    what
        Such as ``tape.swings.v1 line 12`` or ``calendar CME_EQUITY``.
    first, now
        There and here; None: nothing.
    """

    what: str
    first: str | None
    now: str | None


class VariantOutcome(Struct, frozen=True):
    """One run, compared with the first one; of that itself `difference` is None."""

    variation: Variation
    events: int
    difference: FirstDifference | None


class DeterminismReport(Struct, frozen=True):
    """All runs; `output_sha256` and `surroundings` are those of the first one."""

    outcomes: list[VariantOutcome]
    output_sha256: dict[str, str]
    surroundings: dict[str, str]

    @property
    def equal(self) -> bool:
        """Whether every run gave the same bytes, from the same tables."""
        return not any(each.difference for each in self.outcomes)


def check_determinism(
    config: Config,
    origin: Origin,
    options: ReplayOptions,
    variations: Sequence[Variation] = VARIATIONS,
    progress: Callable[[VariantOutcome], None] | None = None,
) -> DeterminismReport:
    """Replay the same stretch in every variation, and compare; outside of any event loop.

    Parameters
    ----------
    progress
        Called after each run.

    Raises
    ------
    InputError, LogMissingError, StoreError, BrokerError, OSError
        When a run failed.
    ChildDiedError
        When a process died.
    """
    origin = asyncio.run(ended(config, origin))
    outcomes: list[VariantOutcome] = []
    with tempfile.TemporaryDirectory(prefix="tapeline-") as scratch:
        folders = Path(scratch) / "first", Path(scratch) / "now"
        first: Ended | None = None
        for variation in variations:
            folder = folders[0 if first is None else 1]
            done = _run(config, origin, options, variation, folder)
            first = done if first is None else first
            found = None if done is first else difference((first, done), folders)
            outcome = VariantOutcome(variation, sum(done.manifest["topics"].values()), found)
            outcomes.append(outcome)
            if progress is not None:
                progress(outcome)
    assert first is not None, "nothing to run"
    return DeterminismReport(outcomes, first.manifest[OUTPUT_SHA256], _surroundings(first))


def _run(
    config: Config, origin: Origin, options: ReplayOptions, variation: Variation, folder: Path
) -> Ended:
    job = Job(
        config=config,
        origin=replace(origin, fetch_records=variation.fetch_records),
        options=options,
        given={},
        folder=folder,
        processes=variation.processes,
    )
    with Child(job, variation.environment) as child:
        return child.finish()


def difference(runs: tuple[Ended, Ended], folders: tuple[Path, Path]) -> FirstDifference | None:
    """The first thing in which two runs differ: what decides outputs first, then the outputs."""
    first, now = (_surroundings(each) for each in runs)
    for name in sorted({*first, *now}):
        if first.get(name) != now.get(name):
            return FirstDifference(name, first.get(name), now.get(name))
    for topic in runs[0].manifest[OUTPUT_SHA256]:
        hashes = [each.manifest[OUTPUT_SHA256][topic] for each in runs]
        found = first_line(*(folder / f"{topic}.jsonl" for folder in folders))
        if found is not None:
            return replace(found, what=f"{topic} {found.what}")
        assert hashes[0] == hashes[1], f"{topic} is equal and its hashes are not"
    return None


def first_line(first: Path, now: Path) -> FirstDifference | None:
    """The first line in which two files differ."""
    with first.open("rb") as old, now.open("rb") as new:
        for number, (before, after) in enumerate(zip_longest(old, new), 1):
            if before != after:
                return FirstDifference(f"line {number}", _text(before), _text(after))
    return None


def _text(line: bytes | None) -> str | None:
    return None if line is None else line.decode().rstrip("\n")


def _surroundings(run: Ended) -> dict[str, str]:
    manifest: dict[str, Any] = run.manifest
    return {
        **run.surroundings,
        "config_hash": manifest["config_hash"],
        **{
            f"version of strategy {name}": found["version"]
            for name, found in manifest.get(STRATEGIES, {}).items()
        },
        **{f"calendar {name}": text for name, text in manifest["calendars"].items()},
        **{f"input of partition {name}": text for name, text in manifest["input_sha256"].items()},
        **{f"file {each['path']}": each["sha256"] for each in manifest["source"].get("files", [])},
    }

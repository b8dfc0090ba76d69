"""What the manifest of a run holds for a comparison: its records, its inputs, its log.

A run directory and the topics of a run have the same manifest, and are cut by the same rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tapeline.replay.compare.recorded import Coverage, RecordedError
from tapeline.replay.results.repetition import options_again, source_again
from tapeline.replay.sources.corrected import EVERYTHING, CorrectedSource
from tapeline.replay.sources.opening import check_configuration, inputs_again, is_corrected
from tapeline.replay.sources.protocol import LogSource
from tapeline.schemas.config.model import Config
from tapeline.schemas.config.security import Brokers
from tapeline.streams.errors import InputError

BOUNDS = ("from", "to", "from_offset", "to_offset")
"""Options of a replay that leave a part of its log out."""
GROWING = ("topic", "store")
"""Logs that may have gone on since."""


def covered(manifest: Mapping[str, Any], config: Config, name: str) -> tuple[Coverage, int]:
    """Which records a manifest covers, and over how many partitions its log went.

    The manifest of a run of files covers everything, in one partition.

    Parameters
    ----------
    name
        Of the run, for messages.

    Raises
    ------
    InputError
        When only its configuration could show it, and this is another one.
    """
    source = manifest.get("source")
    if source is None:
        return Coverage(), 1
    spans = {int(number): span for number, span in source["partitions"].items()}
    partitions = 1
    if source["kind"] == "topic":
        partitions = source.get("partition_count") or max(config.kafka.partitions, *spans, 1)
    names = _names(manifest, config, name)
    bounded = any(map(manifest["options"].get, BOUNDS))
    if source["kind"] not in GROWING and not bounded:
        return Coverage(symbols=names), partitions
    corrected = is_corrected(manifest)
    if corrected and not bounded:
        # All that was there then; where the sorted bars begin and end, the log does not know.
        ends = {number: span["end"] for number, span in spans.items()}
        return Coverage(stops=ends, symbols=names), partitions
    starts = {number: span["start"] for number, span in spans.items() if span["start"] > 0}
    # Of a selection, partitions without any of it were not read.
    numbers = sorted({*range(partitions), *spans})
    stops = {number: spans[number]["stop"] if number in spans else 0 for number in numbers}
    return Coverage(starts, stops, names, corrected), partitions


def _names(manifest: Mapping[str, Any], config: Config, name: str) -> frozenset[str] | None:
    """Symbols and groups that were replayed; None: all."""
    if "selected" in manifest:
        selected = manifest["selected"]
        return None if selected is None else frozenset(selected)
    options = manifest["options"]
    groups, symbols = options.get("groups") or (), options.get("symbols") or ()
    if not groups and not symbols:
        return None
    # Which symbols make a group, a manifest of earlier versions does not hold.
    check_configuration(config, manifest, name)
    members = (member for group in groups for member in config.members(group))
    return frozenset((*symbols, *groups, *members, *map(config.group_of, symbols)))


def input_checksums(manifest: Mapping[str, Any]) -> list[str] | None:
    """SHA-256 of the files of a run, None where it was made from a topic or a store."""
    source = manifest.get("source", {"kind": "files", "files": []})
    if source["kind"] not in ("files", "run"):
        return None
    return [each["sha256"] for each in manifest.get("inputs", source.get("files"))]


def log_again(
    manifest: Mapping[str, Any], config: Config, brokers: Brokers, name: str
) -> LogSource:
    """The inputs of a run, not opened: the same files, the same topic.

    Raises
    ------
    RecordedError
        When they are not at hand.
    """
    try:
        if "source" in manifest:
            source = source_again(manifest, config, brokers, name)
        else:
            source = inputs_again(config, manifest)
    except InputError as error:
        raise RecordedError(str(error)) from error
    if not is_corrected(manifest):
        return source
    # What was not selected was not read.
    selection = options_again(manifest, config).selection if "source" in manifest else EVERYTHING
    return CorrectedSource(source, config, selection)

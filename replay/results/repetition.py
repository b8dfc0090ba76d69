"""A replay repeated from its manifest, and what came out otherwise."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from tapeline.replay.bounds import Bound
from tapeline.replay.fold import selected
from tapeline.replay.hosting import ACCOUNTS, STRATEGIES, choice_in
from tapeline.replay.results.results import ORDER
from tapeline.replay.run import ReplayOptions
from tapeline.replay.sources.files import STORE, FileOptions, FileSource
from tapeline.replay.sources.items import Extent
from tapeline.replay.sources.opening import check_configuration, is_corrected, sources_in
from tapeline.replay.sources.protocol import LogMissingError, LogSource
from tapeline.replay.sources.topic import TopicSource
from tapeline.schemas.config.model import Config
from tapeline.schemas.config.security import Brokers
from tapeline.streams.errors import InputError
from tapeline.streams.pipeline.manifest import OUTPUT_SHA256
from tapeline.streams.pipeline.manifest_identity import IDENTITY, identity_differences

BY_PARTITION = "partition_sha256"
"""In the manifest of a run that followed: its partitions arrived in an order of their own."""
INPUT = "input_sha256"
COMPARED = ("topics", INPUT, STRATEGIES, ACCOUNTS)
NOTHING: dict[str, Any] = {OUTPUT_SHA256: hashlib.sha256().hexdigest(), "topics": 0}
"""What a manifest has of a topic without a line."""
VERSIONS = ("calendars", "time_zone_version")
"""Where sessions and zones came from: manifests of earlier versions have nothing else of them."""


def source_again(
    manifest: Mapping[str, Any], config: Config, brokers: Brokers, name: str
) -> LogSource:
    """The source of a manifest, not yet opened.

    Parameters
    ----------
    name
        Of the run, for messages.

    Raises
    ------
    InputError
        When the configuration is another one.
    """
    check_configuration(config, manifest, name)
    source = manifest["source"]
    if source["kind"] == "topic":
        prefix = source["topic"].removesuffix(".bars.v1")
        # As corrected all of the log decides: what came later is not to be in it.
        corrected = is_corrected(manifest)
        spans = source["partitions"].items() if corrected else ()
        ends = {int(each): span["end"] for each, span in spans}
        return _SameCluster(brokers, prefix, source, ends, config)
    files = source["files"]
    # A store's log may have grown; what is read of it has a hash of its own.
    expected = {} if source["kind"] == STORE else {each["path"]: each["sha256"] for each in files}
    return FileSource(
        config,
        sources_in(files),
        FileOptions(
            source["tz"],
            source["until_ms"],
            source.get("time_unit"),
            expected,
            source["records"],
            source["kind"],
            until_by_symbol=source.get("until_by_symbol", {}),
        ),
    )


class _SameCluster(TopicSource):
    """The topic of a manifest, which must be that of the same cluster.

    Parameters
    ----------
    ends
        By partition, where it ends for this replay, however far it goes now.
    """

    def __init__(
        self,
        brokers: Brokers,
        prefix: str,
        source: Mapping[str, Any],
        ends: Mapping[int, int],
        config: Config,
    ) -> None:
        super().__init__(brokers, prefix, config=config)
        self._wanted = source
        self._known_ends = ends

    async def __aenter__(self) -> TopicSource:
        await super().__aenter__()
        try:
            self._check()
        except LogMissingError:
            await self.__aexit__()
            raise
        self.extents |= {
            each: Extent(self.extents[each].begin, end) for each, end in self._known_ends.items()
        }
        return self

    def _check(self) -> None:
        found = self.identity()["cluster_id"]
        if found != self._wanted["cluster_id"]:
            raise LogMissingError(
                f"the cluster at {self.brokers} is {found}, the manifest is of"
                f" {self._wanted['cluster_id']}"
            )
        for partition, wanted in self._known_ends.items():
            extent = self.extents.get(partition)
            end = 0 if extent is None or extent.end is None else extent.end
            if end < wanted:
                raise LogMissingError(
                    f"{self.topic} partition {partition}: the log ends at offset {end}, that of the"
                    f" manifest at {wanted}; it is another log"
                )


def options_again(manifest: Mapping[str, Any], config: Config) -> ReplayOptions:
    """The options of a manifest, with its bounds as the offsets they were."""
    options = manifest["options"]
    corrected = manifest["mode"] == "as-corrected"
    partitions = manifest["source"]["partitions"].items()
    begun = manifest["start_state"]
    read_from = {int(each): span["read_from"] for each, span in partitions}
    # The others began with snapshots: without these the log's own start is the only other one.
    log_starts = {each: at for each, at in read_from.items() if f"partition {each}" in begun}
    return ReplayOptions(
        start=Bound(offsets={int(each): span["start"] for each, span in partitions}),
        stop=Bound(offsets={int(each): span["stop"] for each, span in partitions}),
        selection=selected(config, options.get("symbols") or (), options.get("groups") or ()),
        as_corrected=corrected,
        snapshots=any(state["kind"] == "snapshot" for state in begun.values()),
        read_from=log_starts,
        counted_from=None if corrected else read_from,
        strategies=choice_in(manifest),
    )


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What two manifests do not agree in, a sentence each; empty when the runs are equal."""
    found = []
    hashes = BY_PARTITION if BY_PARTITION in before else OUTPUT_SHA256
    versions = () if IDENTITY in before else VERSIONS
    for name in (hashes, *COMPARED, *versions):
        old, new = before.get(name), now.get(name)
        if name in NOTHING and old and new:
            # A version that had no such events wrote none.
            old, new = (dict.fromkeys({**old, **new}, NOTHING[name]) | each for each in (old, new))
        if old == new or (name == INPUT and not old):
            # Manifests of earlier versions name no hash of a store's log.
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            for key in sorted({*old, *new}):
                if old.get(key) != new.get(key):
                    found.append(f"{name} {key}: then {old.get(key)}, now {new.get(key)}")
        else:
            found.append(f"{name}: then {old}, now {new}")
    return found


def names_input(before: Mapping[str, Any]) -> bool:
    """Whether a manifest names what was read: manifests of earlier versions do not of stores."""
    source = before["source"]
    nothing = all(span["stop"] <= span["read_from"] for span in source["partitions"].values())
    return source["kind"] != STORE or nothing or bool(before.get(INPUT))


def order_note(before: Mapping[str, Any]) -> str | None:
    """The note about a manifest that ordered its partitions otherwise; None of any other."""
    source = before["source"]
    if source["kind"] != "topic" or len(source["partitions"]) < 2:
        return None
    if before.get("order") == ORDER or before["mode"] == "as-corrected":
        return None
    compared = (
        "compared partition by partition"
        if BY_PARTITION in before
        else "outputs of the same events may differ where CreateTime was not the end of the bar, or"
        " a record lay ahead of its time"
    )
    return (
        "The manifest is of a version that ordered records of several partitions by CreateTime:"
        f" {compared}."
    )


def schedule_changes(before: Mapping[str, Any], config: Config) -> list[str]:
    """Sessions, zone changes and rules that are no longer those of a manifest, a sentence each.

    Raises
    ------
    InputError
        When it is damaged.
    """
    if IDENTITY not in before:
        return []
    try:
        return list(identity_differences(config, before))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"the manifest is damaged: its {IDENTITY} or schedule ({error})"
        ) from error


def version_notes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Notes about the versions that made two runs: none when they are the same."""
    notes = []
    then, this = before.get("code_version"), now.get("code_version")
    if then != this:
        notes.append(f"The manifest was made by tapeline {then}, the repetition by {this}.")
    if IDENTITY in before:
        old, new = before.get("calendars") or {}, now["calendars"]
        for name in sorted(old.keys() & new.keys()):
            if old[name] != new[name]:
                notes.append(f"Calendar {name} was artefact {old[name][:12]}, is {new[name][:12]}.")
        zones, here = before.get("time_zone_version"), now["time_zone_version"]
        if zones != here:
            notes.append(f"The time zones were those of tzdata {zones}, are those of {here}.")
    return notes

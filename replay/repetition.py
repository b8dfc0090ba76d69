"""A replay repeated from its manifest, and what came out otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from replay.bounds import Bound
from replay.file_source import FileSource
from replay.fold import selected
from replay.opening import sources_in
from replay.run import ReplayOptions
from replay.sources import LogMissingError, LogSource
from replay.topic_source import TopicSource
from schemas.config import Config, config_hash
from streams.feeds.items import InputError
from streams.run_directory import MANIFEST_MARK

BY_PARTITION = "partition_sha256"
"""In the manifest of a run that followed: its partitions arrived in turns of their own."""
COMPARED = ("topics", "input_sha256", "calendars", "time_zone_version")


def source_again(manifest: Mapping[str, Any], config: Config, bootstrap: str) -> LogSource:
    """The source of a manifest, not yet opened.

    Raises
    ------
    InputError
        When the configuration is another one.
    """
    if config_hash(config) != manifest["config_hash"]:
        raise InputError(
            f"the configuration is another one than that of the manifest (hash"
            f" {config_hash(config)[:12]}, then {manifest['config_hash'][:12]}); name its file by"
            " --config"
        )
    source = manifest["source"]
    if source["kind"] == "topic":
        prefix = source["topic"].removesuffix(".bars.v1")
        return _SameCluster(bootstrap, prefix, source)
    files = source["files"]
    expected = {} if source["kind"] == "store" else {each["path"]: each["sha256"] for each in files}
    return FileSource(
        config,
        sources_in(files),
        source["tz"],
        source["until_ms"],
        expected,
        source["records"],
        source["kind"],
    )


class _SameCluster(TopicSource):
    """The topic of a manifest, which must be that of the same cluster."""

    def __init__(self, bootstrap: str, prefix: str, source: Mapping[str, Any]) -> None:
        super().__init__(bootstrap, prefix)
        self._wanted = source

    async def __aenter__(self) -> TopicSource:
        await super().__aenter__()
        found = self.identity()["cluster_id"]
        if found != self._wanted["cluster_id"]:
            await self.__aexit__()
            raise LogMissingError(
                f"the cluster at {self.bootstrap} is {found}, the manifest is of"
                f" {self._wanted['cluster_id']}"
            )
        return self


def options_again(manifest: Mapping[str, Any], config: Config) -> ReplayOptions:
    """The options of a manifest, with its bounds as the offsets they were."""
    options = manifest["options"]
    corrected = manifest["mode"] == "as-corrected"
    partitions = manifest["source"]["partitions"].items()
    states = manifest["start_state"].values()
    return ReplayOptions(
        start=Bound(offsets={int(each): span["start"] for each, span in partitions}),
        stop=Bound(offsets={int(each): span["stop"] for each, span in partitions}),
        selection=selected(config, options["symbols"], options["groups"]),
        as_corrected=corrected,
        snapshots=any(state["kind"] == "snapshot" for state in states),
        read_from={int(each): span["read_from"] for each, span in partitions},
    )


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What two manifests do not agree in, a sentence each; empty when the runs are equal."""
    found = []
    hashes = BY_PARTITION if BY_PARTITION in before else MANIFEST_MARK
    for name in (hashes, *COMPARED):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            for key in sorted({*old, *new}):
                if old.get(key) != new.get(key):
                    found.append(f"{name} {key}: then {old.get(key)}, now {new.get(key)}")
        else:
            found.append(f"{name}: then {old}, now {new}")
    return found

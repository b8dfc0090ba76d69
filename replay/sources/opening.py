"""Which source a replay reads: files, a store, a run directory, or the log of a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from msgspec import Struct
from msgspec.structs import replace

from tapeline.replay.manifest.check import check_manifest
from tapeline.replay.sources.files import BATCH, STORE, FileOptions, FileSource
from tapeline.replay.sources.protocol import FETCH_RECORDS, LogSource
from tapeline.schemas.config.model import Config, config_hash
from tapeline.schemas.config.security import Brokers
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.opening import Source
from tapeline.streams.feeds.times import TimeUnit
from tapeline.streams.outputs.run_folder import MANIFEST
from tapeline.streams.store.layout import LOG_FILE
from tapeline.streams.store.reading import StoreReader


class Origin(Struct, frozen=True, kw_only=True):
    """Where the records of a replay come from; the first that is given counts.

    Attributes
    ----------
    files
        Logs or tables of bars; a single folder is a run directory, whose inputs are read again.
    store
        A durable store: its log.
    brokers
        Of a cluster: the topic of bars.
    zone, until_ms, time_unit, until_by_symbol
        Of files; see `FileOptions`.
    ends
        Where a log ends that may grow, by partition; None: where it ends when it is opened.
    """

    files: tuple[Source, ...] = ()
    store: Path | None = None
    brokers: Brokers | None = None
    zone: str | None = None
    until_ms: int | None = None
    time_unit: TimeUnit | None = None
    fetch_records: int = FETCH_RECORDS
    ends: Mapping[int, int] | None = None
    until_by_symbol: Mapping[str, int] = {}


class Opened(Struct, frozen=True):
    """A source, and what a run directory holds about how it was run.

    Attributes
    ----------
    manifest
        Of the run directory, None for other sources.
    """

    source: LogSource
    manifest: dict[str, Any] | None = None


def source_of(config: Config, origin: Origin) -> Opened:
    """The source of an origin, not yet opened.

    Raises
    ------
    InputError
        When there is none, a folder is no run, or its run had another configuration.
    StoreError
        When a folder is no store.
    """
    if origin.files and origin.store is not None:
        raise InputError("files and --store: name one of them")
    if origin.files:
        folder = Path(origin.files[0].path)
        if len(origin.files) == 1 and folder.is_dir():
            return _of_run(config, folder, _rows(origin))
        return Opened(
            FileSource(
                config,
                origin.files,
                FileOptions(
                    origin.zone,
                    origin.until_ms,
                    origin.time_unit,
                    fetch_records=_rows(origin),
                    until_by_symbol=origin.until_by_symbol,
                ),
            )
        )
    if origin.store is not None:
        return Opened(_of_store(config, origin.store, origin))
    if origin.brokers is None:
        raise InputError("no source: name a file, --store DIR, or --bootstrap")
    # Only a topic needs the Kafka client: replays of files start faster without it.
    from tapeline.replay.sources.topic import TopicSource

    prefix = config.kafka.topic_prefix
    return Opened(TopicSource(origin.brokers, prefix, origin.fetch_records, origin.ends, config))


async def ended(config: Config, origin: Origin) -> Origin:
    """The same origin with its end as it is now, for several replays of the same stretch.

    Raises
    ------
    InputError, StoreError, LogMissingError, BrokerError
        When there is none.
    """
    if origin.ends is not None or origin.files:
        return origin
    if origin.store is not None:
        return replace(origin, ends={0: _log_records(origin.store)})
    async with source_of(config, origin).source as source:
        ends = {partition: extent.end for partition, extent in source.extents.items()}
    return replace(origin, ends={each: end for each, end in ends.items() if end is not None})


def _of_store(config: Config, store: Path, origin: Origin) -> FileSource:
    with StoreReader(store) as reader:
        reader.check_log()
        records, groups = reader.checkpoint.log_records, reader.plans()
        rebuilt_at = reader.rebuilt_at()
    return FileSource(
        config,
        [Source(str(store / LOG_FILE))],
        FileOptions(
            records=records if origin.ends is None else origin.ends[0],
            kind=STORE,
            fetch_records=_rows(origin),
            # An empty store has none, and shows nothing about its symbols.
            symbols=[symbol for group in groups for symbol in config.members(group)] or None,
            rebuilt_at=rebuilt_at,
        ),
    )


def _log_records(store: Path) -> int:
    with StoreReader(store) as reader:
        return reader.checkpoint.log_records


def _rows(origin: Origin) -> int:
    return min(origin.fetch_records, BATCH)


def _of_run(config: Config, folder: Path, fetch_records: int) -> Opened:
    manifest = read_manifest(folder / MANIFEST)
    inputs = manifest.get("inputs")
    if inputs is None:
        raise InputError(
            f"{folder}: is the run of a replay; repeat it by --manifest {folder / MANIFEST}"
        )
    check_configuration(config, manifest, str(folder))
    return Opened(inputs_again(config, manifest, fetch_records), manifest)


def inputs_again(
    config: Config, manifest: Mapping[str, Any], fetch_records: int = BATCH
) -> FileSource:
    """The inputs of a run of files once more, refused on entering if they changed."""
    inputs, options = manifest["inputs"], manifest["options"]
    return FileSource(
        config,
        sources_in(inputs),
        FileOptions(
            options["tz"],
            options["until_ms"],
            options.get("time_unit"),
            {each["path"]: each["sha256"] for each in inputs},
            kind="run",
            fetch_records=fetch_records,
            symbols=manifest.get("counters", {}).get("symbols"),
            until_by_symbol=options.get("until_by_symbol", {}),
        ),
    )


def check_configuration(config: Config, manifest: Mapping[str, Any], name: str) -> None:
    """Refuse a configuration that a run was not made with: it would lead to other results.

    Parameters
    ----------
    name
        Of the run, for the message.

    Raises
    ------
    InputError
        Naming both hashes.
    """
    now, then = config_hash(config), manifest["config_hash"]
    if now != then:
        raise InputError(
            f"{name}: the configuration is another one than that of the manifest (hash {now[:12]},"
            f" then {then[:12]}); name its file by --config"
        )


def is_corrected(manifest: Mapping[str, Any]) -> bool:
    """Whether a run was made in the order of what is known now, not in that of its log."""
    options = manifest["options"]
    return bool(options.get("as_corrected")) or manifest.get("mode") == "as-corrected"


def sources_in(inputs: Sequence[dict[str, Any]]) -> list[Source]:
    """Inputs as a manifest names them."""
    return [Source(each["path"], each["symbol"]) for each in inputs]


def read_manifest(path: Path) -> dict[str, Any]:
    """A manifest as it was written.

    Raises
    ------
    InputError
        When it is missing, none, or damaged.
    """
    try:
        found = orjson.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{path}: is not there") from error
    except orjson.JSONDecodeError as error:
        raise InputError(f"{path}: is no manifest ({error})") from error
    return check_manifest(found, str(path))

"""What a manifest must hold so that a run can be repeated or compared; the writer is elsewhere."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from tapeline.streams.errors import InputError
from tapeline.streams.feeds.times import TimeUnit

Offset = Annotated[int, Meta(ge=0)]


class ManifestSpan(Struct):
    """Offsets of a partition; see docs/replay.md."""

    begin: Offset
    end: Offset | None
    read_from: Offset
    start: Offset
    stop: Offset


class InputFile(Struct):
    """A file that was read."""

    path: str
    symbol: str | None
    sha256: str


class OfFiles(Struct, tag_field="kind", tag="files"):
    """Files as a source."""

    files: list[InputFile]
    tz: str | None
    until_ms: int | None
    records: Offset | None
    partitions: dict[int, ManifestSpan]
    time_unit: TimeUnit | None = None
    until_by_symbol: dict[str, int] = {}


class OfRun(OfFiles, tag="run"):
    """The inputs of a run directory."""


class OfStore(OfFiles, tag="store"):
    """The log of a store."""


class OfTopic(Struct, tag_field="kind", tag="topic"):
    """The log of a cluster."""

    topic: str
    cluster_id: str | None
    partitions: dict[int, ManifestSpan]
    partition_count: int | None = None


class StartState(Struct):
    """What a group or a partition began with."""

    kind: str
    offset: int


class ManifestOptions(Struct):
    """Options of a run of files."""

    tz: str | None
    until_ms: int | None
    as_corrected: bool = False
    time_unit: TimeUnit | None = None
    until_by_symbol: dict[str, int] = {}


class StretchOptions(Struct):
    """Options of a replay, as far as they are needed again."""

    symbols: list[str] = []
    groups: list[str] = []


class RunManifest(Struct):
    """Of a run of files."""

    inputs: list[InputFile]
    options: ManifestOptions
    config_hash: str
    output_sha256: dict[str, str]


class ReplayManifest(Struct):
    """Of a replay."""

    source: OfFiles | OfRun | OfStore | OfTopic
    options: StretchOptions
    mode: Literal["as-recorded", "as-corrected"]
    start_state: dict[str, StartState]
    config_hash: str
    output_sha256: dict[str, str]
    partition_sha256: dict[str, str] = {}
    input_sha256: dict[str, str] = {}


def check_manifest(found: object, name: str) -> dict[str, Any]:
    """The manifest itself, if it holds what is needed of it.

    Parameters
    ----------
    name
        For the message.

    Raises
    ------
    InputError
        When it is no manifest, or a damaged one; the message names the key.
    """
    if not isinstance(found, dict) or not found.keys() & {"source", "inputs"}:
        raise InputError(f"{name}: is no manifest of a run")
    kind = ReplayManifest if "source" in found else RunManifest
    try:
        msgspec.convert(found, kind, str_keys=True)
    except msgspec.ValidationError as error:
        raise InputError(f"{name}: is no manifest of a run, or a damaged one ({error})") from error
    return found

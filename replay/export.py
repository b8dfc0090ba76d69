"""Events as data frames, for notebooks; needs the extra ``polars`` or ``pandas``.

    async with Replay.topic(config, start="2025-12-01") as run:
        touches = to_polars(Touch, [each async for each in run.events(Touch, Retract)], view=True)

Columns are the fields of the type, also where there is no row. Nested fields become columns of
their own (``prior_points``), the times of a pair one column a symbol (``times_ES``), lists one
text; lists of objects, and the metadata of a signal, are JSON. Instants are UTC epoch
milliseconds, as everywhere, unless `datetimes` is asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
import orjson

from tapeline.schemas.codec import EventDecoder, FeedEventDecoder, HostEventDecoder, plain
from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Event, Output, Retract
from tapeline.schemas.feed_events import LENGTHS, Unnumbered
from tapeline.schemas.host_events import HostEvent
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import DEFAULT_PREFIX, topic_of
from tapeline.streams.outputs.run_folder import MANIFEST
from tapeline.streams.pipeline.manifest import OUTPUT_SHA256
from tapeline.streams.pipeline.view import set_version

METADATA = "metadata"
"""A field of signals whose keys are the strategy's own: one text, of JSON."""
VALUES = "values"
"""The field of indicators whose keys are columns: each names its interval, and is no field."""
Kind = type[Event | Unnumbered | HostEvent]
Row = Output | Unnumbered | HostEvent
Columns = dict[str, tuple[type, list[Any]]]
"""Type and values by name of a column, all of one length."""


def to_polars(
    kind: Kind,
    events: Iterable[Row],
    *,
    view: bool = False,
    datetimes: bool = False,
) -> Any:
    """The events of one type as a ``polars.DataFrame``.

    Parameters
    ----------
    kind
        Such as ``Touch``; other events are left out, but for its retractions, which are rows with
        op ``retract`` and empty cells.
    view
        One row a fact, as it is in the end, instead of one for each version.
    datetimes
        Convert columns of instants to datetimes with the zone UTC.
    """
    import polars

    types = {
        str: polars.String,
        int: polars.Int64,
        float: polars.Float64,
        bool: polars.Boolean,
    }
    found = columns(kind, events, view)
    frame = polars.DataFrame(
        {name: values for name, (_, values) in found.items()},
        schema={name: types[each] for name, (each, _) in found.items()},
    )
    if datetimes:
        times = [name for name in frame.columns if is_time(name)]
        frame = frame.with_columns(
            polars.col(name).cast(polars.Datetime("ms", "UTC")) for name in times
        )
    return frame


def to_pandas(
    kind: Kind,
    events: Iterable[Row],
    *,
    view: bool = False,
    datetimes: bool = False,
) -> Any:
    """The events of one type as a ``pandas.DataFrame``; see `to_polars`."""
    import pandas

    # Types that know empty cells: an int64 with a hole would become a float.
    types = {str: "string", int: "Int64", float: "Float64", bool: "boolean"}
    found = columns(kind, events, view)
    frame = pandas.DataFrame(
        {name: pandas.array(values, dtype=types[each]) for name, (each, values) in found.items()}
    )
    if datetimes:
        for name in filter(is_time, found):
            frame[name] = pandas.to_datetime(frame[name], unit="ms", utc=True)
    return frame


def columns(kind: Kind, events: Iterable[Row], view: bool = False) -> Columns:
    """The events of one type by column."""
    tag = str(kind.__struct_config__.tag)
    rows = _rows(kind, tag, events, view)
    objects = frozenset(_objects(kind))
    flat = [_flat(row, objects) for row in rows]
    types = dict(_types(kind))
    # Symbols of a group and keys of indicators are names that no type knows.
    named: dict[str, type] = {}
    for row in flat:
        for name, value in row.items():
            if name not in types and (value is not None or name not in named):
                known = named.get(name, int)
                named[name] = float if isinstance(value, float) else known
    found = {name: (each, [row.get(name) for row in flat]) for name, each in types.items()}
    for name, each in named.items():
        values = [row.get(name) for row in flat]
        if each is float:
            values = [None if value is None else float(value) for value in values]
        found[name] = (each, values)
    return found


def events_in(folder: str | Path, kind: Kind, registry: Registry = EVENTS) -> list[Row]:
    """Events of one type in a run directory, in their order, retractions among them.

    Events of live feeds are in the folder ``topics`` of a store. Those of strategies and accounts
    are there only where some ran.

    There are none where the run is of a version that had no such events: its manifest does not
    name the topic.

    Raises
    ------
    FileNotFoundError
        When the folder is no run, or a file is missing.
    """
    tag = str(kind.__struct_config__.tag)
    topic = topic_of(tag, DEFAULT_PREFIX, registry)
    path = Path(folder) / f"{topic}.jsonl"
    if not path.exists() and topic not in _topics_of(Path(folder) / MANIFEST):
        return []
    lines = path.read_bytes().splitlines()
    origin = registry.row(tag).origin
    if origin == "fold":
        return list(map(EventDecoder(registry).decode, lines))
    # Their topics hold several types.
    decode = (FeedEventDecoder if origin == "feed" else HostEventDecoder)(registry).decode
    return [event for event in map(decode, lines) if isinstance(event, kind)]


def _topics_of(manifest: Path) -> Collection[str]:
    """Topics of a run."""
    found: dict[str, str] = orjson.loads(manifest.read_bytes())[OUTPUT_SHA256]
    return found


def is_time(column: str) -> bool:
    """Whether a column holds instants."""
    return (column.endswith("_ms") and column not in LENGTHS) or column.startswith("times_")


def _rows(kind: Kind, tag: str, events: Iterable[Row], view: bool) -> list[Row]:
    rows: list[Row] = [
        event
        for event in events
        if isinstance(event, kind) or (isinstance(event, Retract) and event.type == tag)
    ]
    if not view:
        return rows
    facts: dict[str, Event | Unnumbered | HostEvent] = {}
    for event in rows:
        set_version(facts, event.id, None if isinstance(event, Retract) else event)
    return list(facts.values())


def _objects(kind: Kind) -> Iterable[str]:
    """Fields that are lists of objects, or an object of unknown keys: columns of JSON."""
    for field in msgspec.structs.fields(kind):
        inner = [each for each in get_args(field.type) if each is not ...]
        of_structs = get_origin(field.type) in (list, tuple) and all(
            isinstance(each, type) and issubclass(each, msgspec.Struct) for each in inner
        )
        if of_structs or field.encode_name == METADATA:
            yield field.encode_name


def _flat(event: Row, objects: frozenset[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in plain(event).items():
        if name == VALUES:
            found.update(value)
        elif name in objects:
            found[name] = orjson.dumps(value).decode()
        elif isinstance(value, dict):
            found.update({f"{name}_{key}": each for key, each in value.items()})
        elif isinstance(value, list | tuple):
            found[name] = " ".join(map(str, value))
        else:
            found[name] = value
    return found


def _types(kind: type) -> Iterable[tuple[str, type]]:
    """Name and type of each column that a type of events has."""
    yield "type", str
    for field in msgspec.structs.fields(kind):
        name, hint = field.encode_name, field.type
        inner = [each for each in _union(hint) if each is not type(None)]
        if get_origin(hint) in (list, tuple):
            yield name, str
        elif (
            len(inner) == 1 and isinstance(inner[0], type) and issubclass(inner[0], msgspec.Struct)
        ):
            for each in msgspec.structs.fields(inner[0]):
                yield f"{name}_{each.encode_name}", _scalar(each.type)
        elif name == METADATA:
            yield name, str
        elif get_origin(inner[0]) is not dict:
            yield name, _scalar(hint)


def _scalar(hint: Any) -> type:
    inner = {type(each) if isinstance(each, str) else each for each in _union(hint)}
    for each in (float, bool, int):
        if each in inner:
            return each
    return str


def _union(hint: Any) -> list[Any]:
    """The types of a union, also of literals, which are their own types."""
    if get_origin(hint) is None or get_origin(hint) is dict:
        return [hint]
    found: list[Any] = []
    for each in get_args(hint):
        found += _union(each) if not isinstance(each, str) else [each]
    return found

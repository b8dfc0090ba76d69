"""The page docs/events.md: every record, event and topic in tables, made from the contracts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from tapeline.schemas.codec import encode
from tapeline.schemas.documents.examples import record_examples, retract_example
from tapeline.schemas.documents.meanings import (
    COMMON_FIELDS,
    HOST_FIELDS,
    RECORDS,
    REJECT_CODES,
    RETRACT,
    field_meaning,
)
from tapeline.schemas.event_types import EventType, Registry
from tapeline.schemas.events import Reject, Retract
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import Topic, catalogue, topic_of

_INTRODUCTION = """\
# Records and events

This page is generated from the contracts by `make schemas`;
JSON Schemas and an AsyncAPI document of the same come from `tapeline schemas`.

Times are integers, UTC epoch milliseconds, and end in `_ms`. Prices are JSON numbers in quote
currency. A label is the start of a bar. Absent values are null, never left out. In Kafka the
message key of an event is its `id`, and `seq`, `rev`, `type` and `group` are headers too; an
embedded run writes one JSON Lines file for each topic.

Fold a topic by `id` (an upsert replaces, a retract removes) and you hold the current view. A
consumer that drops an event whose `seq` is not above the last one of its topic partition has no
duplicates.
"""


def events_page(registry: Registry = EVENTS) -> str:
    """Markdown text of the page."""
    parts = [_INTRODUCTION, "## Records of the input log\n"]
    for name, record in record_examples().items():
        rows = _rows(name, type(record), registry)
        parts += [f"### `{name}`\n", f"{RECORDS[name]}\n", _table(rows), _example(record)]
    parts += [
        "## Common fields of events\n",
        "Every event but `reject` and those of feeds begins with these.\n",
        _table(_rows("retract", Retract, registry)),
        *_common_of_hosts(registry),
        "## Events\n",
    ]
    for row in registry.rows:
        skip = tuple(COMMON_FIELDS) if row.numbered else ()
        if row.origin == "host":
            skip = (*skip, *HOST_FIELDS)
        parts += [
            f"### `{row.tag}`\n",
            f"{row.meaning} Topic `{topic_of(row.tag, registry=registry)}`.\n",
            _table(_rows(row.tag, row.struct, registry, skip)),
            *_nested(row, registry),
            _example(row.example),
        ]
        if row.struct is Reject:
            parts += _codes()
    parts += ["### Retractions\n", f"{RETRACT}\n", _example(retract_example())]
    parts += ["## Topics\n", *_topics(registry)]
    return "\n".join(parts).rstrip("\n") + "\n"


def _common_of_hosts(registry: Registry) -> Iterable[str]:
    """Fields of all events of hosts of strategies."""
    if not registry.hosted:
        return
    first = registry.hosted[0]
    types = ", ".join(f"`{tag}`" for tag in registry.hosted)
    yield (
        f"Events of strategies and their accounts ({types}) have three more, and are never taken"
        " back; `event_ms` may be above `watermark_ms` where a symbol is behind others:\n"
    )
    wanted = {f"`{name}`" for name in HOST_FIELDS}
    rows = _rows(first, registry.row(first).struct, registry)
    yield _table([row for row in rows if row[0] in wanted])


def _nested(row: EventType, registry: Registry) -> Iterable[str]:
    for each in row.nested:
        yield f"Fields of `{each.field}`:\n"
        yield _table(_rows(each.struct.__name__, each.struct, registry))


def _codes() -> Iterable[str]:
    yield "Codes, in the order of the checks: of several faults a record has that of the first.\n"
    lines = ["| code | what is wrong |", "|---|---|"]
    lines += [f"| `{code}` | {meaning} |" for code, meaning in REJECT_CODES.items()]
    yield "\n".join(lines) + "\n"


def _rows(
    name: str, struct: type[msgspec.Struct], registry: Registry, skip: tuple[str, ...] = ()
) -> list[tuple[str, ...]]:
    """Field, type and meaning of a struct, its tag first."""
    info = msgspec.inspect.type_info(struct)
    assert isinstance(info, msgspec.inspect.StructType)
    rows: list[tuple[str, ...]] = []
    if info.tag_field is not None and info.tag_field not in skip:
        rows.append(
            (
                f"`{info.tag_field}`",
                f'`"{info.tag}"`',
                field_meaning(name, info.tag_field, registry),
            )
        )
    for field in info.fields:
        if field.encode_name in skip:
            continue
        kind = _type_name(field.type) + ("" if field.required else ", may be left out")
        rows.append(
            (f"`{field.encode_name}`", kind, field_meaning(name, field.encode_name, registry))
        )
    return rows


def _type_name(found: msgspec.inspect.Type) -> str:
    inspect = msgspec.inspect
    if isinstance(found, inspect.UnionType):
        names = [_type_name(member) for member in found.types]
        if "number" in names and "integer" in names:
            names.remove("integer")
        return " or ".join(sorted(names, key=lambda name: name == "null"))
    if isinstance(found, inspect.LiteralType):
        return " or ".join(f'`"{value}"`' for value in found.values)
    if isinstance(found, inspect.DictType):
        return f"object of {_type_name(found.value_type)}"
    if isinstance(found, inspect.StructType):
        return "object"
    if isinstance(found, inspect.VarTupleType | inspect.ListType):
        item = _type_name(found.item_type)
        return f"array of ({item})" if " or " in item else f"array of {item}"
    names_by_type: dict[type[Any], str] = {
        inspect.IntType: "integer",
        inspect.FloatType: "number",
        inspect.StrType: "string",
        inspect.BoolType: "boolean",
        inspect.NoneType: "null",
        inspect.AnyType: "any value",
    }
    return names_by_type[type(found)]


def _table(rows: list[tuple[str, ...]]) -> str:
    lines = ["| field | type | meaning |", "|---|---|---|"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _example(value: Any) -> str:
    return f"```json\n{encode(value).decode()}\n```\n"


def _topics(registry: Registry) -> Iterable[str]:
    topics = catalogue(registry=registry)
    yield (
        "All topics have the same number of partitions; the prefix `tape` is a setting."
        " `seq` rises strictly in each partition of an output topic.\n"
    )
    lines = ["| topic | holds | key | partition |", "|---|---|---|---|"]
    for topic in topics:
        key = topic.key.replace("|", "\\|")
        lines.append(f"| `{topic.name}` | {topic.type} | {key} | {topic.partitioning} |")
    yield "\n".join(lines) + "\n"
    yield "Settings:\n"
    yield "\n".join(_settings_table(topics)) + "\n"


def _settings_table(topics: tuple[Topic, ...]) -> Iterable[str]:
    """One row for all topics of equal settings."""
    names: dict[str, list[str]] = {}
    for topic in topics:
        text = "<br>".join(f"{name}={value}" for name, value in topic.settings.items())
        names.setdefault(text, []).append(f"`{topic.name}`")
    yield "| topics | settings |"
    yield "|---|---|"
    for text, members in names.items():
        yield f"| {'<br>'.join(members)} | {text} |"

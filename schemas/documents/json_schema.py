"""JSON Schemas of every record and event, and the files that are generated from the contracts.

``python -m tapeline.schemas.documents.json_schema`` writes them anew where they are committed; a
test fails when they have drifted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from tapeline.schemas.config.model import Config
from tapeline.schemas.documents.asyncapi import asyncapi_document
from tapeline.schemas.documents.meanings import (
    EVENTS,
    NESTED_FIELDS,
    RECORDS,
    RETRACT,
    field_meaning,
)
from tapeline.schemas.documents.page import events_page
from tapeline.schemas.events import (
    DerivedBar,
    Gap,
    Pair,
    Quality,
    Range,
    Reject,
    Retract,
    Session,
    Swing,
    Touch,
)
from tapeline.schemas.records import Bar, Cancel, Clock

DIALECT = "https://json-schema.org/draft/2020-12/schema"
GENERATED_FOLDER = "schemas/generated"
EVENTS_PAGE = "docs/events.md"

_IN_ASYNCAPI = "#/components/schemas/{name}"

# What `schemas.symbols.is_name` accepts, as far as a pattern of JSON Schema can say it.
SYMBOL_SCHEMA = {
    "type": "string",
    "minLength": 1,
    "maxLength": 64,
    "pattern": "^[^\\s\\u0000-\\u001f\\u007f-\\u009f|]+$",
}

RECORD_STRUCTS: dict[str, type[msgspec.Struct]] = {"bar": Bar, "cancel": Cancel, "clock": Clock}
EVENT_STRUCTS: dict[str, type[msgspec.Struct]] = {
    "derived_bar": DerivedBar,
    "session": Session,
    "quality": Quality,
    "gap": Gap,
    "range": Range,
    "touch": Touch,
    "pair": Pair,
    "swing": Swing,
    "reject": Reject,
}


def component_schemas(ref_template: str) -> dict[str, dict[str, Any]]:
    """Schema of each record, event, ``retract`` and nested struct, by type or struct name.

    Parameters
    ----------
    ref_template
        Where references point, such as ``#/$defs/{name}``.
    """
    structs: dict[str, type[msgspec.Struct]] = {
        **RECORD_STRUCTS,
        **EVENT_STRUCTS,
        "retract": Retract,
    }
    _, found = msgspec.json.schema_components(structs.values(), ref_template=ref_template)
    names = {struct.__name__: name for name, struct in structs.items()}
    schemas = {names.get(title, title): schema for title, schema in found.items()}
    for name, schema in schemas.items():
        _describe(name, schema)
    return dict(sorted(schemas.items(), key=lambda item: _order(item[0])))


def json_schemas() -> dict[str, dict[str, Any]]:
    """JSON Schemas by file name: one a type, the log record, the effective configuration."""
    schemas = component_schemas("#/$defs/{name}")
    documents = {
        name: _document(name, schemas[name], _nested_of(schemas, name))
        for name in (*RECORD_STRUCTS, *EVENT_STRUCTS, "retract")
    }
    documents["log_record"] = _document(
        "log_record",
        {
            "description": "One record of the input log.",
            "oneOf": [{"$ref": f"#/$defs/{name}"} for name in RECORD_STRUCTS],
        },
        {name: schemas[name] for name in RECORD_STRUCTS},
    )
    documents["config"] = _config_document()
    return {f"{name}.schema.json": document for name, document in sorted(documents.items())}


def generated_files() -> dict[str, str]:
    """Text of every generated file of `tapeline schemas`, by file name."""
    files = {name: _text(document) for name, document in json_schemas().items()}
    files["asyncapi.json"] = _text(asyncapi_document(component_schemas(_IN_ASYNCAPI)))
    return files


def write_schemas(directory: str | Path) -> list[Path]:
    """Write JSON Schemas and the AsyncAPI document into a folder, which is made where missing.

    Returns
    -------
    list[Path]
        The files written, in order of name.
    """
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in sorted(generated_files().items()):
        path = folder / name
        path.write_text(text, encoding="utf-8", newline="\n")
        written.append(path)
    return written


def _describe(name: str, schema: dict[str, Any]) -> None:
    """Put our words, and what the structs cannot express, into a generated schema."""
    schema["title"] = name
    schema["description"] = {**RECORDS, **EVENTS, "retract": RETRACT}.get(
        name, f"{name} of a swing."
    )
    for field, entry in schema["properties"].items():
        entry["description"] = field_meaning(name, field)
        if name in RECORD_STRUCTS and field == "symbol":
            entry.update(SYMBOL_SCHEMA)
    if name in EVENT_STRUCTS and name != "reject":
        schema["properties"]["op"]["enum"] = ["upsert"]
    if name == "retract":
        schema["properties"]["op"]["enum"] = ["retract"]
        schema["properties"]["type"]["enum"] = [each for each in EVENT_STRUCTS if each != "reject"]


def _nested_of(schemas: dict[str, dict[str, Any]], name: str) -> dict[str, dict[str, Any]]:
    text = json.dumps(schemas[name])
    return {each: schemas[each] for each in NESTED_FIELDS if f"#/$defs/{each}" in text}


def _document(
    name: str, schema: dict[str, Any], nested: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    document = {"$schema": DIALECT, "title": name, **schema}
    if nested:
        document["$defs"] = nested
    return document


def _config_document() -> dict[str, Any]:
    (_,), found = msgspec.json.schema_components([Config], ref_template="#/$defs/{name}")
    for schema in found.values():
        schema["description"] = schema["description"].partition("\n")[0]
    top = found.pop("Config")
    return _document("config", {**top, "title": "config"}, dict(sorted(found.items())))


def _order(name: str) -> tuple[int, str]:
    names = [*RECORD_STRUCTS, *EVENT_STRUCTS, "retract"]
    return (names.index(name), "") if name in names else (len(names), name)


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def write_committed(root: str | Path) -> Iterable[Path]:
    """Write everything generated to where the repository keeps it."""
    written = write_schemas(Path(root) / GENERATED_FOLDER)
    page = Path(root) / EVENTS_PAGE
    page.write_text(events_page(), encoding="utf-8", newline="\n")
    return [*written, page]


if __name__ == "__main__":
    write_committed(Path(__file__).resolve().parents[2])

"""JSON Schemas of every record and event, and the files that are generated from the contracts.

``make schemas`` (this module, run by its name) writes them anew where they are committed; a test
fails when they have drifted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from tapeline.schemas.config.model import Config
from tapeline.schemas.documents.asyncapi import asyncapi_document
from tapeline.schemas.documents.indicators_page import indicators_page
from tapeline.schemas.documents.meanings import RECORDS, RETRACT, field_meaning
from tapeline.schemas.documents.page import events_page
from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Retract
from tapeline.schemas.records import Bar, Cancel, Clock
from tapeline.schemas.registry import EVENTS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
GENERATED_FOLDER = "schemas/generated"
EVENTS_PAGE = "docs/events.md"
INDICATORS_PAGE = "docs/indicators.md"

_IN_ASYNCAPI = "#/components/schemas/{name}"

# What `schemas.symbols.is_name` accepts, as far as a pattern of JSON Schema can express it.
SYMBOL_SCHEMA = {
    "type": "string",
    "minLength": 1,
    "maxLength": 64,
    "pattern": "^[^\\s\\u0000-\\u001f\\u007f-\\u009f|]+$",
}

RECORD_STRUCTS: dict[str, type[msgspec.Struct]] = {"bar": Bar, "cancel": Cancel, "clock": Clock}


def component_schemas(ref_template: str, registry: Registry = EVENTS) -> dict[str, dict[str, Any]]:
    """Schema of each record, event, ``retract`` and nested struct, by type or struct name.

    Parameters
    ----------
    ref_template
        Where references point, such as ``#/$defs/{name}``.
    """
    structs: dict[str, type[msgspec.Struct]] = {
        **RECORD_STRUCTS,
        **{row.tag: row.struct for row in registry.rows},
        "retract": Retract,
    }
    _, found = msgspec.json.schema_components(structs.values(), ref_template=ref_template)
    names = {struct.__name__: name for name, struct in structs.items()}
    schemas = {names.get(title, title): schema for title, schema in found.items()}
    for name, schema in schemas.items():
        _describe(name, schema, registry)
    order = [*structs, *sorted(schemas.keys() - structs.keys())]
    return {name: schemas[name] for name in order}


def json_schemas(registry: Registry = EVENTS) -> dict[str, dict[str, Any]]:
    """JSON Schemas by file name: one a type, the log record, the effective configuration."""
    schemas = component_schemas("#/$defs/{name}", registry)
    nested = [each.struct.__name__ for row in registry.rows for each in row.nested]
    documents = {
        name: _document(name, schemas[name], _nested_of(schemas, name, nested))
        for name in (*RECORD_STRUCTS, *registry.types, "retract")
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


def generated_files(registry: Registry = EVENTS) -> dict[str, str]:
    """Text of every generated file of `tapeline schemas`, by file name."""
    files = {name: _text(document) for name, document in json_schemas(registry).items()}
    files["asyncapi.json"] = _text(
        asyncapi_document(component_schemas(_IN_ASYNCAPI, registry), registry)
    )
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


def _describe(name: str, schema: dict[str, Any], registry: Registry) -> None:
    """Put our words, and what the structs cannot express, into a generated schema."""
    schema["title"] = name
    schema["description"] = _meanings(registry)[name]
    for field, entry in schema["properties"].items():
        entry["description"] = field_meaning(name, field, registry)
        if name in RECORD_STRUCTS and field == "symbol":
            entry.update(SYMBOL_SCHEMA)
    if name in registry and registry.row(name).numbered:
        schema["properties"]["op"]["enum"] = ["upsert"]
    if name == "retract":
        schema["properties"]["op"]["enum"] = ["retract"]
        schema["properties"]["type"]["enum"] = list(registry.facts)


def _meanings(registry: Registry) -> dict[str, str]:
    """What each record, event and nested struct is."""
    return {
        **RECORDS,
        **{row.tag: row.meaning for row in registry.rows},
        **{
            each.struct.__name__: f"{each.struct.__name__} of a {row.tag}."
            for row in registry.rows
            for each in row.nested
        },
        "retract": RETRACT,
    }


def _nested_of(
    schemas: dict[str, dict[str, Any]], name: str, nested: list[str]
) -> dict[str, dict[str, Any]]:
    text = json.dumps(schemas[name])
    return {each: schemas[each] for each in nested if f"#/$defs/{each}" in text}


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


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def write_committed(root: str | Path) -> Iterable[Path]:
    """Write everything generated to where the repository keeps it."""
    written = write_schemas(Path(root) / GENERATED_FOLDER)
    pages = {EVENTS_PAGE: events_page(), INDICATORS_PAGE: indicators_page()}
    for name, text in pages.items():
        (Path(root) / name).write_text(text, encoding="utf-8", newline="\n")
    return [*written, *(Path(root) / name for name in pages)]


if __name__ == "__main__":
    write_committed(Path(__file__).resolve().parents[2])

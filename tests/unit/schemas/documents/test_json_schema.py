"""Generated JSON Schemas: committed as they are, and with the contents of the structs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from tapeline.schemas.codec import CodecError, RecordDecoder, encode
from tapeline.schemas.config.model import built_in_config
from tapeline.schemas.documents.examples import event_examples, record_examples, retract_example
from tapeline.schemas.documents.json_schema import (
    EVENTS_PAGE,
    GENERATED_FOLDER,
    INDICATORS_PAGE,
    RECORD_STRUCTS,
    generated_files,
    json_schemas,
    write_committed,
    write_schemas,
)
from tapeline.schemas.registry import EVENTS


def schema(name: str) -> dict[str, Any]:
    return json_schemas()[f"{name}.schema.json"]


def is_valid(name: str, value: object) -> bool:
    return bool(jsonschema.Draft202012Validator(schema(name)).is_valid(value))


@pytest.mark.source_tree
def test_what_is_committed_has_not_drifted(repository_root: Path, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    written = [path.relative_to(tmp_path) for path in write_committed(tmp_path)]
    for path in written:
        committed = (repository_root / path).read_bytes()
        assert committed == (tmp_path / path).read_bytes(), f"run make schemas: {path}"
    folder = repository_root / GENERATED_FOLDER
    committed_names = {path.relative_to(repository_root) for path in folder.iterdir()}
    assert committed_names | {Path(EVENTS_PAGE), Path(INDICATORS_PAGE)} == set(written)


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    written = write_schemas(tmp_path / "new" / "folder")
    assert [path.name for path in written] == sorted(generated_files())
    assert all(path.read_text("utf-8").endswith("}\n") for path in written)


def test_there_is_one_schema_for_every_type_the_log_and_the_configuration() -> None:
    names = {*RECORD_STRUCTS, *EVENTS.types, "retract", "log_record", "config"}
    assert set(json_schemas()) == {f"{name}.schema.json" for name in names}


@pytest.mark.parametrize("name", sorted(json_schemas()))
def test_a_schema_is_a_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schemas()[name])


@pytest.mark.parametrize("name", [*EVENTS.types, "retract"])
def test_every_field_of_an_event_is_required(name: str) -> None:
    found = schema(name)
    assert set(found["required"]) == set(found["properties"])
    for nested in found.get("$defs", {}).values():
        assert set(nested["required"]) == set(nested["properties"])


@pytest.mark.parametrize("name", EVENTS.types)
def test_a_field_may_be_null_exactly_where_its_struct_allows_it(name: str) -> None:
    example = json.loads(encode(event_examples()[name]))
    for field in msgspec.structs.fields(EVENTS.row(name).struct):
        nulled = {**example, field.encode_name: None}
        may_be_null = type(None) in getattr(field.type, "__args__", ())
        assert is_valid(name, nulled) == may_be_null, field.encode_name


@pytest.mark.parametrize("name", EVENTS.types)
def test_an_example_of_an_event_is_valid_and_none_with_a_field_missing(name: str) -> None:
    example = json.loads(encode(event_examples()[name]))
    assert is_valid(name, example)
    for field in example:
        assert not is_valid(name, {key: example[key] for key in example if key != field})


def test_a_retract_is_valid_as_one_and_as_nothing_else() -> None:
    retract = json.loads(encode(retract_example()))
    assert is_valid("retract", retract)
    assert not is_valid("retract", {**retract, "op": "upsert"})
    assert not is_valid("retract", {**retract, "type": "reject"})
    assert not any(is_valid(name, retract) for name in EVENTS.types)


@pytest.mark.parametrize("name", RECORD_STRUCTS)
def test_an_example_of_a_record_is_valid_alone_and_in_the_log(name: str) -> None:
    example = json.loads(encode(record_examples()[name]))
    assert is_valid(name, example)
    assert is_valid("log_record", example)


BAR = json.loads(encode(record_examples()["bar"]))


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"volume": None, "source": None},
        {"symbol": "E S"},
        {"symbol": "E|S"},
        {"symbol": ""},
        {"symbol": "E" * 65},
        {"symbol": "日経225"},
        {"start_ms": 2**63},
        {"start_ms": 2**63 - 1},
        {"start_ms": "1"},
        {"open": "1"},
        {"open": None},
        {"source": "guess"},
        {"spread": 1},
        {"type": "trade"},
    ],
)
def test_schema_and_decoder_agree_on_a_bar(change: dict[str, Any]) -> None:
    record = {**BAR, **change}
    try:
        RecordDecoder().decode(json.dumps(record).encode())
    except CodecError:
        decoded = False
    else:
        decoded = True
    assert is_valid("log_record", record) == decoded


def test_the_shown_configuration_is_valid() -> None:
    assert is_valid("config", json.loads(msgspec.json.encode(built_in_config())))


@pytest.mark.parametrize("name", [*RECORD_STRUCTS, *EVENTS.types, "retract"])
def test_every_type_and_field_is_described(name: str) -> None:
    found = schema(name)
    assert found["description"].endswith(".")
    assert all(entry["description"] for entry in found["properties"].values())

"""Every field has words, and no words are left over."""

from __future__ import annotations

import msgspec
import pytest

from tapeline.schemas.documents.json_schema import RECORD_STRUCTS
from tapeline.schemas.documents.meanings import (
    COMMON_FIELDS,
    HOST_FIELDS,
    RECORD_FIELDS,
    RECORDS,
    field_meaning,
)
from tapeline.schemas.event_types import Nested
from tapeline.schemas.events import Retract
from tapeline.schemas.registry import EVENTS


def fields_of(struct: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(struct)}


@pytest.mark.parametrize("name", EVENTS.types)
def test_an_event_has_the_common_fields_and_those_described(name: str) -> None:
    common = set(COMMON_FIELDS) if EVENTS.row(name).numbered else {"type"}
    if name in EVENTS.hosted:
        common |= set(HOST_FIELDS)
    assert fields_of(EVENTS.row(name).struct) | {"type"} == common | set(EVENTS.row(name).fields)


def test_a_retract_has_the_common_fields_alone() -> None:
    assert fields_of(Retract) == set(COMMON_FIELDS)


def test_records_have_the_fields_described() -> None:
    found = {field for struct in RECORD_STRUCTS.values() for field in fields_of(struct)}
    assert found | {"type"} == set(RECORD_FIELDS)


@pytest.mark.parametrize(
    "nested",
    [nested for row in EVENTS.rows for nested in row.nested],
    ids=lambda nested: nested.struct.__name__,
)
def test_a_nested_struct_has_the_fields_described(nested: Nested) -> None:
    assert fields_of(nested.struct) == set(nested.fields)


def test_every_type_of_record_is_described() -> None:
    assert list(RECORDS) == list(RECORD_STRUCTS)


def test_a_common_field_means_something_else_of_a_host() -> None:
    assert field_meaning("fill", "event_ms") == HOST_FIELDS["event_ms"]
    assert field_meaning("fill", "id") == COMMON_FIELDS["id"]
    assert field_meaning("touch", "event_ms") == COMMON_FIELDS["event_ms"]


def test_a_field_that_does_not_exist_has_no_meaning() -> None:
    with pytest.raises(KeyError):
        field_meaning("touch", "volume")

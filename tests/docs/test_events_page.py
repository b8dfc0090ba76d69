"""The generated page of records and events."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from tapeline.schemas.codec import (
    FeedEventDecoder,
    RecordDecoder,
    decode_event,
    decode_host_event,
)
from tapeline.schemas.documents.json_schema import RECORD_STRUCTS
from tapeline.schemas.documents.meanings import COMMON_FIELDS, HOST_FIELDS, REJECT_CODES
from tapeline.schemas.documents.page import events_page
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import catalogue


def section(title: str) -> str:
    """Text from a heading of third level to the next heading."""
    return re.split(r"^#", events_page().split(f"### `{title}`\n")[1], maxsplit=1, flags=re.M)[0]


def test_every_field_has_its_row() -> None:
    for name, struct in {**RECORD_STRUCTS, **{row.tag: row.struct for row in EVENTS.rows}}.items():
        own = {field.encode_name for field in msgspec.structs.fields(struct)}
        if name in EVENTS.types and name != "reject":
            own -= set(COMMON_FIELDS)
        if name in EVENTS.hosted:
            own -= set(HOST_FIELDS)
        for field in own:
            assert f"| `{field}` |" in section(name), (name, field)


def test_every_example_on_the_page_is_decoded_by_the_codec() -> None:
    examples = re.findall(r"```json\n(.*?)\n```", events_page(), re.DOTALL)
    assert len(examples) == len(RECORD_STRUCTS) + len(EVENTS.types) + 1
    for text in examples:
        kind = json.loads(text)["type"]
        if kind in RECORD_STRUCTS:
            RecordDecoder().decode(text.encode())
        elif EVENTS.row(kind).origin == "feed":
            FeedEventDecoder().decode(text.encode())
        elif kind in EVENTS.hosted:
            decode_host_event(text.encode())
        else:
            decode_event(text.encode())


def test_the_common_fields_of_hosts_are_on_the_page() -> None:
    table = events_page().split("## Common fields of events")[1].split("\n## ")[0]
    for name, meaning in HOST_FIELDS.items():
        assert f"| `{name}` | " in table
        assert meaning in table


def test_a_null_and_a_field_that_may_be_left_out_are_distinguished() -> None:
    assert "| `volume` | number or null, may be left out |" in section("bar")
    assert "| `volume` | number or null |" in section("derived_bar")


def test_every_topic_is_named_with_its_settings() -> None:
    page = events_page()
    for topic in catalogue():
        assert page.count(f"`{topic.name}`") >= 2
        assert all(f"{name}={value}" in page for name, value in topic.settings.items())


@pytest.mark.source_tree
def test_every_code_of_a_dead_letter_is_on_the_page_and_no_other() -> None:
    published = set()
    for room in ("streams", "schemas", "replay"):
        for path in (Path(__file__).parents[2] / room).rglob("*.py"):
            text = path.read_text("utf-8")
            published.update(
                re.findall(
                    r'(?:RecordRejected|Refusal|CodecError|RowError|Unreadable)\(\s*"([a-z_]+)"',
                    text,
                )
            )
            # Of feeds: the symbol comes first.
            published.update(re.findall(r'\.letter\(\s*[a-z.]+,\s*"([a-z_]+)"', text))
    assert published == set(REJECT_CODES)
    for code in published:
        assert f"| `{code}` |" in section("reject")


def test_no_cell_breaks_its_table() -> None:
    rows = [line for line in events_page().splitlines() if line.startswith("|")]
    cells = {len(re.split(r"(?<!\\)\|", row)) for row in rows}
    assert cells <= {4, 5, 6}

"""What is known of types of events is in the registry, and ids in one module."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.event_types import OF_IDS, OF_TYPES, handmade_ids, listed_types
from tests.house.source_tree import PACKAGES, module_name, modules

pytestmark = pytest.mark.source_tree

MODULES = [
    pytest.param(path, id=module_name(path))
    for path in modules(*PACKAGES, "tapeline")
    if path.stat().st_size
]


@pytest.mark.parametrize("path", MODULES)
def test_types_of_events_are_listed_where_they_are_defined(path: Path) -> None:
    found = listed_types(path.read_text("utf-8"))
    assert (found != []) == (module_name(path) in OF_TYPES), found


@pytest.mark.parametrize("path", MODULES)
def test_ids_are_made_and_taken_apart_in_one_module(path: Path) -> None:
    found = handmade_ids(path.read_text("utf-8"))
    assert (found != []) == (module_name(path) in OF_IDS), found


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ('KINDS = ("gap", "range", "touch")', "gap, range, touch"),
        ("STRUCTS = [Gap, Range, events.Touch]", "gap, range, touch"),
        ("DECODERS = {'gap': Decoder(Gap), 'range': 1, 'swing': 2}", "gap, range, swing"),
        ("def final(event: Gap | Range | Pair) -> bool: ...", "gap, pair, range"),
        ("isinstance(event, (Gap, Range, Reject))", "gap, range, reject"),
    ],
)
def test_the_guard_sees_a_list_of_types(source: str, named: str) -> None:
    assert named in [
        each.message.removeprefix("lists types of events: ") for each in listed_types(source)
    ]


@pytest.mark.parametrize(
    "source",
    [
        "isinstance(event, Gap | Session)",
        'table("First gaps", "session", "gap", "range")',
        "from tapeline.schemas.events import Gap, Range, Touch",
        '("gap", "gap", Gap)',
    ],
)
def test_two_types_are_no_list(source: str) -> None:
    assert listed_types(source) == []


@pytest.mark.parametrize(
    "source",
    [
        'f"touch|{symbol}|{label}"',
        'fact_id.split("|")',
        'key.rsplit(b"|", 2)',
        '"|".join(parts)',
        'fact_id.startswith("range|")',
    ],
)
def test_the_guard_sees_an_id_made_or_taken_apart_by_hand(source: str) -> None:
    assert handmade_ids(source) != []


@pytest.mark.parametrize("source", ["a | b", "isinstance(x, int | str)", "'a|b'", "f'{a} {b}'"])
def test_a_bar_is_not_always_an_id(source: str) -> None:
    assert handmade_ids(source) == []

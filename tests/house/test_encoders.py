"""An event has one encoder, and the guard notices a second one."""

from __future__ import annotations

import pytest

from tests.house.encoders import CODEC, MESSAGES, encoder_faults
from tests.house.source_tree import PACKAGES, ROOT, modules

pytestmark = pytest.mark.source_tree


def test_events_are_encoded_in_one_room() -> None:
    found = {
        name: faults
        for path in modules(*PACKAGES)
        for name in [path.relative_to(ROOT).as_posix()]
        if (faults := encoder_faults(path.read_text("utf-8"), name))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("source", "home"),
    [
        ("import msgspec\nlines = msgspec.json.Encoder().encode_lines", CODEC),
        ("from msgspec import json\nencode = json.Encoder().encode", CODEC),
        ("from msgspec.json import Encoder", CODEC),
        ('headers = [("type", b"reject")]', MESSAGES),
        ('header = ("group", group.encode())', MESSAGES),
    ],
)
def test_a_second_encoder_is_noticed(source: str, home: str) -> None:
    [found] = encoder_faults(source, "streams/new.py")
    assert found.line == len(source.splitlines())
    assert encoder_faults(source, home) == []


def test_other_pairs_and_other_encoders_are_none() -> None:
    source = (
        "from msgspec.msgpack import Encoder\n"
        'kinds = [("type", "reject"), ("group", group), ("type", b"snapshot")]\n'
    )
    assert encoder_faults(source, "streams/new.py") == []

"""What the page on consuming names exists: topics, columns, parameters."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from tapeline.schemas.events import Touch
from tapeline.schemas.topics import catalogue
from tapeline.streams.consuming.subscription import Subscription
from tests.docs.pages import blocks

PAGE = Path(__file__).resolve().parents[2] / "docs" / "consuming.md"
COLUMN = re.compile(r"[(,]\s*`?(\w+)`? (?:VARCHAR|STRING|BIGINT|DOUBLE)")


def test_tables_of_other_engines_are_of_a_topic_and_its_fields() -> None:
    names = {topic.name for topic in catalogue()}
    statements = blocks(PAGE, "sql")
    assert len(statements) == 3
    for statement in statements:
        columns = COLUMN.findall(statement)
        assert len(columns) >= 8
        assert set(columns) <= set(Touch.__struct_fields__)
        assert set(re.findall(r"'(tape\.[\w.]+)'", statement)) <= names


def test_the_parameters_of_a_subscription_are_those_it_has() -> None:
    shown = set(re.findall(r"^\| `(\w+)` \| ", PAGE.read_text("utf-8"), flags=re.MULTILINE))
    has = set(inspect.signature(Subscription).parameters) - {"bootstrap"}
    assert has <= shown

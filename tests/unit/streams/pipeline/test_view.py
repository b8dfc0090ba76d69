"""A view holds of every fact its last version, at the position of its first."""

from __future__ import annotations

import pytest

from tapeline.schemas.events import Gap, Retract
from tapeline.streams.consuming.received import Removed
from tapeline.streams.pipeline.view import fold, set_version


def gap(name: str, missing: int) -> Gap:
    """A version of a gap."""
    return Gap(
        name, "upsert", 7, 1, "ES", "2025-07-02", 0, 0, None, "1m", 0, 60_000, missing, "open"
    )


def gone(name: str) -> Retract:
    """The end of a gap."""
    return Retract("gap", name, "retract", 8, 2, "ES", "2025-07-02", 0, 0, None)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([gap("a", 1), gap("b", 1), gap("a", 2)], [("a", 2), ("b", 1)]),
        ([gap("a", 1), gap("b", 1), gone("a")], [("b", 1)]),
        ([gap("a", 1), gap("b", 1), gone("a"), gap("a", 3)], [("b", 1), ("a", 3)]),
        ([gone("a")], []),
    ],
)
def test_the_last_version_counts_until_it_is_retracted(
    events: list[Gap | Retract], expected: list[tuple[str, int]]
) -> None:
    facts: dict[str, Gap] = {}
    for event in events:
        fold(facts, [event])
    assert [(name, fact.missing) for name, fact in facts.items()] == expected
    whole: dict[str, Gap] = {}
    fold(whole, events)
    assert whole == facts


def test_a_retraction_may_be_of_a_class_of_its_own() -> None:
    facts = {"a": gap("a", 1), "b": gap("b", 1)}
    removed = Removed("gap", "a", 8, 2, "ES", 0)
    fold(facts, [removed, gap("b", 2)], Removed)
    assert {name: fact.missing for name, fact in facts.items()} == {"b": 2}


def test_a_view_may_keep_lines_instead_of_events() -> None:
    lines: dict[str, bytes] = {}
    for name, line in (("a", b"1"), ("b", b"1"), ("a", b"2"), ("b", None), ("c", None)):
        set_version(lines, name, line)
    assert lines == {"a": b"2"}

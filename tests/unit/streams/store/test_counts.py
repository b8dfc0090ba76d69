"""Counters of a run, which a checkpoint keeps for the run that goes on after a kill."""

from __future__ import annotations

import json

from tapeline.schemas.events import Reject
from tapeline.streams.store.counts import RefusedRows, StoreCounts


def letter(code: str, line: int) -> Reject:
    return Reject(f"reject|a.csv:{line}", code, f"why {line}", f"a.csv:{line}", "", None)


def test_dead_letters_are_counted_by_code_with_the_first_of_each() -> None:
    counts = StoreCounts()
    for line, code in enumerate(("off_tick", "bad_price", "off_tick", "off_tick"), 2):
        counts.letter(letter(code, line), "a.csv")
    assert counts.rejects == {
        "off_tick": RefusedRows(3, "a.csv:2", "why 2"),
        "bad_price": RefusedRows(1, "a.csv:3", "why 3"),
    }
    assert counts.rejects["off_tick"].plain() == {
        "count": 3,
        "first": "a.csv:2",
        "reason": "why 2",
    }


def test_a_run_that_goes_on_counts_on() -> None:
    counts = StoreCounts()
    counts.letter(letter("off_tick", 2), "a.csv")
    again = StoreCounts.of(json.loads(json.dumps(counts.plain())))
    again.letter(letter("off_tick", 9), "a.csv")
    assert again.rejects == {"off_tick": RefusedRows(2, "a.csv:2", "why 2")}
    assert again.plain()["rejects"] == {"off_tick": [2, "a.csv:2", "why 2"]}

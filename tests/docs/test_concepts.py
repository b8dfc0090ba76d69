"""The worked examples of the concepts page are true."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapeline.schemas.registry import EVENTS
from tests.docs.worked_examples import Example, examples

PAGE = Path(__file__).resolve().parents[2] / "docs" / "concepts.md"
ACME = '[instruments.ACME]\ncalendar = "XNYS"\ntick = 0.01\n'


@pytest.mark.parametrize("example", examples(PAGE), ids=lambda each: each.facts[0].split()[0])
def test_what_the_page_shows_follows_from_the_book(example: Example) -> None:
    assert example.disagreements() == []


def test_every_book_of_the_page_has_facts() -> None:
    assert [example.rows[0] for example in examples(PAGE) if not example.facts] == []


@pytest.mark.parametrize("kind", EVENTS.facts)
def test_the_page_works_an_example_of_every_kind_of_fact(kind: str) -> None:
    facts = [line for example in examples(PAGE) for line in example.facts]
    assert [line for line in facts if line.startswith(f"{kind}|")]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("gap|ACME|1m|09:31 missing=1", None),
        ("gap|ACME|1m|09:31 end_ms=2025-07-02 09:32 state=closed", None),
        ("no gap|ACME|1m|09:32", None),
        ("gap|ACME|1m|09:31 missing=2", "missing is 1"),
        ("gap|ACME|1m|09:31 length=1", "has no field length"),
        ("gap|ACME|1m|09:32 missing=1", "is not in the view"),
        ("no gap|ACME|1m|09:31", "is in the view"),
    ],
)
def test_a_fact_that_is_not_so_is_noticed(line: str, fault: str | None) -> None:
    rows = ["09:30 10 10 10 10 1", "09:32..09:34 10 10 10 10 1"]
    example = Example(ACME, ["ACME"], "2025-07-02", rows, [line])
    assert example.disagreements() == ([] if fault is None else [f"{line}: {fault}"])

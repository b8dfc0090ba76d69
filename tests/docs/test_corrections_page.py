"""The corrected bar of the page on corrections does what the page shows."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.events import Output
from tapeline.streams.cli.show.correction import explanation
from tapeline.streams.core.correct.corrections import Correction
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.outcome import Outcome
from tapeline.streams.pipeline.planning import plan_group
from tests.docs.pages import blocks
from tests.docs.worked_examples import Example, examples

PAGE = Path(__file__).resolve().parents[2] / "docs" / "corrections.md"
BEFORE, AFTER = examples(PAGE)


def corrected() -> tuple[int, Correction, list[Output]]:
    """Offset of the last row of the second book, what it corrected, and what it published."""
    config = read_config(AFTER.configuration, "page")
    engine = GroupEngine(plan_group(config, AFTER.symbols[0]))
    found: Outcome | None = None
    for offset, record in enumerate(AFTER.records()):
        found = engine.apply(record, offset)
    assert found is not None
    assert found.correction is not None
    return engine.offset, found.correction, found.events


@pytest.mark.parametrize("example", [BEFORE, AFTER], ids=["before", "after"])
def test_what_the_page_shows_follows_from_the_book(example: Example) -> None:
    assert example.facts
    assert example.disagreements() == []


def test_the_second_book_is_the_first_and_one_more_row() -> None:
    assert AFTER.rows[:-1] == BEFORE.rows


def test_the_explanation_on_the_page_is_that_of_the_last_row() -> None:
    offset, correction, _ = corrected()
    [shown] = blocks(PAGE, "text")
    assert shown.splitlines() == list(explanation(offset, correction))


def test_the_events_on_the_page_are_lines_that_the_last_row_published() -> None:
    _, _, events = corrected()
    published = [msgspec.json.encode(event).decode() for event in events]
    [shown] = blocks(PAGE, "json")
    lines = shown.splitlines()
    assert [line for line in published if line in lines] == lines
    assert len(lines) == 3

"""Instants in what people read: dates, and numbers beyond them; and none ends for want of one."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.replay.pace.control import ControlState
from tapeline.replay.pace.progress import MeasuredPace, progress_line
from tapeline.schemas.instants import FIRST_MS, ISO, LAST_MS, instant_text
from tapeline.streams.cli.show.correction import explanation
from tapeline.streams.cli.show.store import EventRows, print_events, print_gaps, print_made_again
from tapeline.streams.core.correct.corrections import Correction
from tapeline.streams.outputs.terminal import PlainConsole
from tapeline.streams.store.counts import StoreCounts
from tapeline.streams.store.from_log import MadeAgain
from tests.house.source_tree import PACKAGES, ROOT, modules

BEYOND_MS = LAST_MS + 1
ELSEWHERE = {"schemas/instants.py", "streams/calendars/zones.py"}
"""The module of instants, and offsets of zones between 1970 and 2100."""


@given(st.integers(FIRST_MS, LAST_MS))
def test_an_instant_with_a_date_is_shown_as_it(instant_ms: int) -> None:
    shown = datetime.fromisoformat(f"{instant_text(instant_ms, ISO):0>20}")
    assert shown == datetime.fromtimestamp(instant_ms // 1_000, UTC)


@pytest.mark.parametrize("instant_ms", [FIRST_MS - 1, LAST_MS + 1, -(1 << 63), 1 << 63])
def test_an_instant_without_a_date_is_shown_as_a_number(instant_ms: int) -> None:
    assert instant_text(instant_ms) == str(instant_ms)


def test_every_instant_for_people_is_shown_by_one_function() -> None:
    found = {
        str(path.relative_to(ROOT))
        for path in modules(*PACKAGES)
        if "fromtimestamp(" in path.read_text()
    }
    assert found == ELSEWHERE


def _console() -> PlainConsole:
    return PlainConsole(file=StringIO(), width=200)


def _printed(console: PlainConsole) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def _event(**fields: object) -> dict[str, object]:
    return {
        "type": "gap",
        "op": "upsert",
        "id": "gap|A",
        "event_ms": BEYOND_MS,
        "watermark_ms": 0,
        **fields,
    }


def test_what_is_printed_of_a_store_may_lie_beyond_the_calendar(tmp_path: Path) -> None:
    console = _console()
    lines = [orjson.dumps(_event(end_ms=BEYOND_MS, ranges={"to_ms": BEYOND_MS}))]
    print_events(console, lines, "View")
    EventRows(console, "tail").print(lines[0])
    hole = {
        "start_ms": BEYOND_MS,
        "end_ms": BEYOND_MS,
        "missing": 1,
        "state": "open",
        "reasons": [],
    }
    counts = {"expected": 2, "present": 1, "missing": 1}
    print_gaps(console, [{"symbol": "A", "session": "9999-12-31", **counts, "holes": [hole]}], 1)
    symbols = {"A": {"last_ms": BEYOND_MS, "open_ranges": 0}}
    print_made_again(console, MadeAgain(tmp_path, 0, 0, False, StoreCounts(), symbols))
    assert _printed(console).count(str(BEYOND_MS)) == 9


def test_progress_and_corrections_may_lie_beyond_the_calendar() -> None:
    correction = Correction("A", BEYOND_MS, None, None)
    correction.from_ms = BEYOND_MS
    correction.bars_again = 1
    assert " ".join(explanation(0, correction)).count(str(BEYOND_MS)) == 2
    state = ControlState(False, False, None, BEYOND_MS, 1, None)
    assert progress_line(state, MeasuredPace(None, 0.0, None, None)).startswith(f"{BEYOND_MS} ")

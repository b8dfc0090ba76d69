"""A late, changed or cancelled bar: what is published, with which revision, and what it reports."""

from __future__ import annotations

from typing import Any

from tapeline.schemas.events import Retract
from tapeline.schemas.packing import packed_bytes, unpack_rows
from tapeline.schemas.records import Bar, Cancel, Clock
from tests.unit.streams.core.scenario import MINUTE_MS, Tape, at, equity, flat, minutes

DAY = "2025-07-02"
OPEN = at(f"{DAY} 09:30")
SESSION = f"session|ACME|{DAY}"
FIVE = f"derived_bar|ACME|5m|{OPEN}"


def without(*missing: int, count: int = 20) -> list[Any]:
    """Flat minutes from the open but for some of them."""
    book = minutes("ACME", OPEN, count)
    return [bar for number, bar in enumerate(book) if number not in missing]


def at_minute(number: int, price: float = 100.0) -> Bar:
    """A flat bar so many minutes after the open."""
    return flat("ACME", OPEN + number * MINUTE_MS, price)


def published(tape: Tape, record: Any) -> dict[str, tuple[str, int, int | None]]:
    """By id what one record published: op, rev, corrects."""
    return {event.id: (event.op, event.rev, event.corrects) for event in tape.take(record)}


def test_a_late_bar_fills_its_hole_and_publishes_what_it_changed() -> None:
    tape = equity()
    tape.take(*without(7))
    late = OPEN + 7 * MINUTE_MS
    changed = published(tape, at_minute(7))
    assert changed[f"gap|ACME|1m|{late}"] == ("retract", 1, late)
    assert changed[f"derived_bar|ACME|5m|{OPEN + 5 * MINUTE_MS}"] == ("upsert", 1, late)
    assert changed[f"quality|ACME|1m|{DAY}"] == ("upsert", 1, late)
    assert FIVE not in changed


def test_what_a_retract_holds_is_of_the_fact_it_removes() -> None:
    tape = equity()
    tape.take(*without(7))
    [gap] = tape.of("gap").values()
    [retract] = [event for event in tape.take(at_minute(7)) if isinstance(event, Retract)]
    assert (retract.type, retract.symbol, retract.session) == ("gap", "ACME", DAY)
    assert retract.event_ms == gap["event_ms"]
    assert retract.watermark_ms == OPEN + 20 * MINUTE_MS


def test_revisions_count_on_while_a_fact_goes_and_comes_again() -> None:
    tape = equity()
    tape.take(*without())
    gap = f"gap|ACME|1m|{OPEN + 7 * MINUTE_MS}"
    label = OPEN + 7 * MINUTE_MS
    assert published(tape, Cancel("ACME", "1m", label))[gap] == ("upsert", 0, label)
    assert published(tape, at_minute(7))[gap] == ("retract", 1, label)
    assert published(tape, Cancel("ACME", "1m", label))[gap] == ("upsert", 2, label)


def test_an_event_in_order_keeps_the_revision_of_its_id() -> None:
    tape = equity()
    tape.take(*without())
    assert published(tape, flat("ACME", OPEN, 101.0))[SESSION] == ("upsert", 1, OPEN)
    closing = {event.id: event for event in tape.clock("ACME", f"{DAY} 16:00")}
    assert (closing[SESSION].rev, closing[SESSION].corrects) == (1, None)
    assert closing[f"derived_bar|ACME|1d|{OPEN}"].rev == 0


def test_a_correction_that_changes_no_fact_publishes_nothing() -> None:
    tape = equity("swings = false\n")
    tape.take(*without(count=3))
    assert tape.take(at_minute(1, 100.01)) == []
    assert tape.kind == "changed"
    assert tape.correction is not None
    assert tape.correction.changes == []


def test_the_first_bar_may_come_late_and_may_go() -> None:
    tape = equity()
    tape.take(at_minute(5), at_minute(6))
    assert tape.of("gap").keys() == {f"gap|ACME|1m|{OPEN}"}
    tape.take(flat("ACME", "2025-07-01 15:59", 100.0))
    assert "session|ACME|2025-07-01" in tape.view
    tape.take(Cancel("ACME", "1m", at("2025-07-01 15:59")))
    assert "session|ACME|2025-07-01" not in tape.view


def test_when_the_only_bar_is_cancelled_nothing_is_left_but_the_watermark() -> None:
    tape = equity()
    tape.take(at_minute(5), Cancel("ACME", "1m", OPEN + 5 * MINUTE_MS))
    assert tape.view == {}
    assert tape.engine.watermark_ms("ACME") == OPEN + 6 * MINUTE_MS
    tape.restart()
    tape.take(at_minute(3))
    assert tape.kind == "late"
    assert tape.view[f"quality|ACME|1m|{DAY}"]["due"] == 6


def test_an_off_session_bar_matters_only_where_history_begins() -> None:
    tape = equity()
    tape.take(flat("ACME", f"{DAY} 08:00", 10.0), at_minute(0))
    assert tape.take(flat("ACME", f"{DAY} 08:00", 11.0)) == []
    assert tape.take(flat("ACME", f"{DAY} 07:00", 11.0)) == []
    tape.take(flat("ACME", "2025-07-01 17:00", 11.0))
    assert "session|ACME|2025-07-01" not in tape.view
    tape.take(flat("ACME", "2025-07-01 08:00", 11.0))
    assert "session|ACME|2025-07-01" in tape.view


def test_a_cancel_without_a_bar_and_an_old_clock_have_no_effect() -> None:
    tape = equity()
    tape.take(at_minute(0))
    for record in (Cancel("ACME", "1m", OPEN + MINUTE_MS), Clock("ACME", OPEN)):
        assert tape.take(record) == []
        assert tape.kind == "idle"
    assert tape.engine.counters("ACME")["idle"] == 2


def test_a_correction_reports_the_bar_before_and_after_and_how_far_back_it_went() -> None:
    tape = equity()
    tape.take(*without(count=300))
    changed = at_minute(290, 101.0)
    tape.take(changed)
    correction = tape.correction
    assert correction is not None
    assert (correction.before, correction.after) == (at_minute(290), changed)
    assert correction.from_ms == OPEN + 240 * MINUTE_MS
    assert correction.bars_again == 50 + 10 + 10
    tape.take(changed)
    assert tape.correction is None


def test_a_late_bar_goes_back_to_the_hole_it_left() -> None:
    tape = equity()
    tape.take(*without(290, count=300), at_minute(290))
    assert tape.correction is not None
    assert tape.correction.from_ms == OPEN + 290 * MINUTE_MS


def test_the_state_keeps_no_more_bars_and_restore_points_than_the_horizon_asks_for() -> None:
    tape = equity("horizon_sessions = 1\n")
    for day in ("06-25", "06-26", "06-27", "06-30", "07-01", "07-02"):
        tape.take(*minutes("ACME", f"2025-{day} 09:30", 390))
    state = tape.engine.snapshot()
    chunks = [record for key, record in state.items() if key.startswith("ACME/bars/")]
    assert sum(len(unpack_rows(packed_bytes(bars))) for _, _, bars in chunks) == 390
    points = [key for key in state if key.startswith("ACME/ring/")]
    assert 2 <= len(points) <= 5

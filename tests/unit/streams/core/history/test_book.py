"""The bars inside the horizon: what a repetition is compared with."""

from __future__ import annotations

import pytest

from tapeline.schemas.packing import packed_bytes, unpack_rows
from tapeline.schemas.records import Bar, LogRecord
from tapeline.streams.core.engine import GroupEngine
from tests.unit.streams.core.scenario import MINUTE_MS, Tape, at, coin, equity, flat, minutes, utc

OPEN = at("2025-07-02 09:30")


def varied(symbol: str, start: int, count: int) -> list[LogRecord]:
    """Bars that all differ, some without volume, some with fractions."""
    volumes: tuple[int | float | None, ...] = (None, 0, 7, 0.25, 1e18, 9007199254740993)
    return [
        Bar(
            symbol,
            "1m",
            start + number * MINUTE_MS,
            100 + number,
            102 + number,
            99 + number,
            101 + number,
            volumes[number % len(volumes)],
        )
        for number in range(count)
    ]


COUNTS = (1, 2, 3, 59, 60, 61, 119, 120, 121, 390)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("restarted", [False, True])
def test_every_bar_is_known_again(count: int, restarted: bool) -> None:
    tape = equity()
    book = varied("ACME", OPEN, count)
    tape.take(*book)
    if restarted:
        tape.restart()
    assert tape.take(*book) == []
    assert tape.rejected == []
    assert tape.engine.counters("ACME")["duplicates"] == count


@pytest.mark.parametrize("index", [0, 1, 58, 59, 60, 61, 119, 120, 129])
def test_a_change_of_any_bar_is_seen_and_a_hole_is_a_hole(index: int) -> None:
    tape = equity()
    book = varied("ACME", OPEN, 130)
    tape.take(*book[:index], *book[index + 1 :])
    late = tape.engine.watermark_ms("ACME") != OPEN + index * MINUTE_MS
    if late:
        tape.take(book[index])
        assert tape.kind == "late"
    other = equity()
    other.take(*book, flat("ACME", OPEN + index * MINUTE_MS, 1.0))
    assert other.kind == "changed"


def test_sessions_and_the_hours_between_are_all_remembered() -> None:
    book = [
        flat("ACME", "2025-07-01 08:00", 90.0),
        *minutes("ACME", "2025-07-01 09:30", 70),
        flat("ACME", "2025-07-01 16:00", 91.0),
        flat("ACME", "2025-07-02 09:29", 92.0),
        *minutes("ACME", "2025-07-02 09:30", 65),
        flat("ACME", "2025-07-02 20:00", 93.0),
        flat("ACME", "2025-07-03 09:30", 94.0),
    ]
    tape = equity()
    tape.take(*book)
    tape.restart()
    tape.take(*book)
    assert tape.rejected == []
    assert tape.engine.counters("ACME")["duplicates"] == len(book)


@pytest.mark.parametrize(("sessions", "known"), [(0, 0), (1, 1), (2, 2), (3, 3)])
def test_bars_are_kept_as_long_as_the_horizon_reaches(sessions: int, known: int) -> None:
    tape = equity(f"horizon_sessions = {sessions}\n")
    days = ("2025-06-27", "2025-06-30", "2025-07-01", "2025-07-02")
    tape.take(*(flat("ACME", f"{day} 09:30", 100.0) for day in days))
    tape.take(*(flat("ACME", f"{day} 09:30", 100.0) for day in days[:-1]))
    assert tape.rejected == ["beyond_horizon"] * (3 - known)
    assert tape.engine.counters("ACME")["duplicates"] == known


def test_the_state_does_not_grow_with_history() -> None:
    def size(sessions: int) -> int:
        tape = coin("horizon_sessions = 1\nswings = false\n")
        start = utc("2025-01-01 00:00")
        for day in range(sessions):
            tape.take(*minutes("COIN", start + day * 86_400_000, 30))
        return len(str(tape.engine.snapshot()))

    assert size(40) <= 1.05 * size(4)


def test_a_state_whose_bars_are_lists_gives_the_same_state() -> None:
    tape = equity()
    tape.take(*varied("ACME", OPEN, 130))
    state = tape.engine.snapshot()
    written = {
        key: [*content[:2], [list(row) for row in unpack_rows(packed_bytes(content[2]))]]
        if key.startswith("ACME/bars/")
        else content
        for key, content in state.items()
    }
    assert written != state
    assert GroupEngine.restore(tape.engine.plan, written).snapshot() == state


def test_prices_beyond_machine_integers_are_remembered_too() -> None:
    tape = Tape('[instruments.BIG]\ntick = "0.000000001"\n', "BIG")
    book = [
        Bar("BIG", "1m", OPEN + number * MINUTE_MS, 1e17, 1e17, 1e17, 1e17, 1)
        for number in range(70)
    ]
    tape.take(*book)
    tape.restart()
    tape.take(*book)
    assert tape.rejected == []
    assert tape.engine.counters("BIG")["duplicates"] == 70

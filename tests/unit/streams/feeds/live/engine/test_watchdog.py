"""Silence of a connection, counted while the market is open."""

from __future__ import annotations

import pytest

from tapeline.schemas.config.feeds import FeedConfig, FeedKind, SessionConfig
from tapeline.schemas.instants import FAR_FUTURE_MS
from tapeline.streams.feeds.live.engine.watchdog import Watchdog, watchdog_of
from tapeline.streams.feeds.live.model import Instant
from tests.unit.streams.core.scenario import at
from tests.unit.streams.feeds.live.engine.dialect import Dialect
from tests.unit.streams.feeds.live.engine.simulation import hours_of

# New York, Monday: open 09:30 to 16:00; Wednesday before Thanksgiving, Friday closes at 13:00.
OPEN = at("2026-11-30 09:30")
CLOSE = at("2026-11-30 16:00")
MINUTE_MS = 60_000
MONO_MS = 777


def instant(wall_ms: int) -> Instant:
    """An instant whose monotonic clock began long after the wall's."""
    return Instant(wall_ms - OPEN + MONO_MS, wall_ms)


def stale_at(first_ms: int, heard: list[int], stale: int = 3, first: int = 2) -> int | None:
    """Wall time at which a connection from ``first_ms`` on is found stale, within four days."""
    watchdog = Watchdog(hours_of("ACME"), stale * MINUTE_MS, first * MINUTE_MS, instant(first_ms))
    coming = list(heard)
    while True:
        wall_ms = watchdog.next_ms - MONO_MS + OPEN
        if coming and coming[0] <= wall_ms:
            watchdog.take_data(instant(coming.pop(0)))
        elif wall_ms > first_ms + 4 * 86_400_000:
            return None
        elif watchdog.is_stale(instant(wall_ms), wall_ms):
            return wall_ms


@pytest.mark.parametrize(
    ("first", "heard", "expected"),
    [
        pytest.param("10:00:00", [], "10:02:00", id="the first data have a deadline"),
        pytest.param("10:00:00", ["10:01:00"], "10:04:00", id="later data another one"),
        pytest.param(
            "10:00:00", ["10:01:00", "10:03:59"], "10:06:59", id="which each of them renews"
        ),
        pytest.param("09:00:00", [], "09:32:00", id="before the open nothing counts"),
        pytest.param("09:00:00", ["09:29:59"], "09:33:00", id="silence begins at the open"),
    ],
)
def test_a_silence_in_session_is_found_when_it_is_too_long(
    first: str, heard: list[str], expected: str
) -> None:
    day = "2026-11-30 "
    found = stale_at(at(day + first), [at(day + each) for each in heard])
    assert found == at(day + expected)


def test_a_night_is_no_silence_and_the_next_morning_counts_anew() -> None:
    assert stale_at(at("2026-11-30 15:58"), [CLOSE - 1_000]) == at("2026-12-01 09:33")


def test_an_early_close_and_a_weekend_are_no_silence() -> None:
    friday = at("2026-11-27 12:59")
    assert stale_at(friday, [friday + 30_000]) == at("2026-11-30 09:33")


def test_a_first_message_shortens_the_deadline_where_its_own_is_longer() -> None:
    start = at("2026-11-30 10:00")
    assert stale_at(start, [start + 1_000], stale=1, first=20) == start + 61_000


def test_a_market_without_closes_is_never_reopened_at_midnight() -> None:
    midnight = at("2026-11-30 19:00")
    watchdog = Watchdog(hours_of("COIN"), MINUTE_MS, MINUTE_MS, instant(midnight - 40_000))
    watchdog.take_data(instant(midnight - 30_000))
    assert not watchdog.is_stale(instant(midnight), midnight)
    assert watchdog.is_stale(instant(midnight + 30_000), midnight + 30_000)


def test_a_market_is_open_while_one_of_its_instruments_trades() -> None:
    both = hours_of("ACME", "COIN")
    assert both.at(CLOSE + 1).is_open
    assert not hours_of("ACME").at(CLOSE).is_open
    assert hours_of("ACME").at(CLOSE).until_ms == at("2026-12-01 09:30")
    assert hours_of("ACME").at(at("2099-01-01 12:00")).until_ms == FAR_FUTURE_MS


@pytest.mark.parametrize(
    ("kind", "stale_after_ms", "limits"),
    [
        ("websocket", None, (122_000, 180_000)),
        ("http", None, (122_000, 180_000)),
        ("websocket", 10_000, (122_000, 10_000)),
        ("tail", 600_000, (122_000, 600_000)),
        ("tail", None, None),
        ("webhook", None, None),
        ("kafka", None, None),
    ],
)
def test_silence_is_too_long_after_three_bars_where_a_new_connection_would_help(
    kind: FeedKind, stale_after_ms: int | None, limits: tuple[int, int] | None
) -> None:
    session = SessionConfig(stale_after_ms=stale_after_ms)
    settings = FeedConfig(name="x", kind=kind, url="", symbols={"ACME": "A"}, session=session)
    watchdog = watchdog_of(settings, Dialect(("ACME",)), hours_of("ACME"), instant(OPEN))
    first_ms = watchdog.limit_ms
    watchdog.take_data(instant(OPEN))
    if limits is None:
        assert not watchdog.is_stale(instant(CLOSE - 1), CLOSE - 1)
    else:
        assert (first_ms, watchdog.limit_ms) == limits

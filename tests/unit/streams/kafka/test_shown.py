"""Keys of records: what a partition has shown, by any writer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.schemas.config.model import TimeConfig
from tapeline.schemas.instants import DAY_MS, FAR_PAST_MS
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tapeline.streams.kafka.shown import REACH_MS, Shown
from tapeline.streams.pipeline.refusals import Refusal

NOON = 1_765_281_600_000  # 2025-12-09 12:00 UTC
MINUTE = 60_000
UNREADABLE = Refusal("decode_error", "no JSON", None)


def bar(start_ms: int, interval: str = "1m") -> Bar:
    return Bar("AAA", interval, start_ms, 1.0, 1.0, 1.0, 1.0)


def keys(*contents: LogRecord | Refusal, shown_ms: int = FAR_PAST_MS) -> list[int]:
    return Shown(TimeConfig(), shown_ms).take(contents)


@pytest.mark.parametrize(
    ("content", "minutes"),
    [
        (bar(NOON), 1),
        (bar(NOON, "1h"), 60),
        (bar(NOON, "60m"), 60),
        (bar(NOON, "15s"), 0.25),
        (Clock("BBB", NOON + 3 * MINUTE), 3),
        (Cancel("AAA", "1m", NOON), 0),
        (bar(NOON, "tomorrow"), 0),
        (UNREADABLE, 0),
        (bar(NOON - 5 * MINUTE), 0),
        (Clock("AAA", NOON - 1), 0),
        (bar(NOON + REACH_MS - MINUTE), 35 * 1_440),
        (bar(NOON + REACH_MS), 0),
        (Clock("AAA", NOON + REACH_MS + 1), 0),
        (bar(2**62), 0),
        (bar(-(2**62)), 0),
    ],
    ids=str,
)
def test_a_record_shows_its_end_if_it_is_no_more_than_35_days_ahead(
    content: LogRecord | Refusal, minutes: float
) -> None:
    # Whatever it is, the next minute follows it.
    after = max(round(NOON + minutes * MINUTE), NOON + MINUTE)
    assert keys(bar(NOON - MINUTE), content, bar(NOON)) == [NOON, NOON + minutes * MINUTE, after]


def test_before_anything_was_shown_any_plausible_end_is_taken() -> None:
    assert keys(UNREADABLE, bar(NOON)) == [FAR_PAST_MS, NOON + MINUTE]
    # Seconds for milliseconds would be a time of 1970, digits of a date one of the year 2611.
    for wrong in (bar(NOON // 1_000), bar(20_251_209_120_000), Clock("AAA", NOON // 1_000)):
        assert keys(wrong, bar(NOON)) == [FAR_PAST_MS, NOON + MINUTE]


def test_a_replay_from_the_middle_begins_with_what_its_partition_had_reached() -> None:
    assert keys(UNREADABLE, bar(NOON - 3 * MINUTE), bar(NOON), shown_ms=NOON) == [
        NOON,
        NOON,
        NOON + MINUTE,
    ]
    assert keys(bar(NOON + 36 * DAY_MS), shown_ms=NOON) == [NOON]


@given(st.lists(st.integers(NOON - 40 * DAY_MS, NOON + 40 * DAY_MS), min_size=1), st.data())
def test_keys_never_go_back_and_are_those_of_any_cut_that_knows_what_was_reached(
    starts: list[int], data: st.DataObject
) -> None:
    bars = [bar(each) for each in starts]
    whole = keys(*bars)
    assert whole == sorted(whole)
    cut = data.draw(st.integers(1, len(bars)))
    assert keys(*bars[cut:], shown_ms=whole[cut - 1]) == whole[cut:]
    shown = Shown(TimeConfig())
    assert [*shown.take(bars[:cut]), *shown.take(bars[cut:])] == whole

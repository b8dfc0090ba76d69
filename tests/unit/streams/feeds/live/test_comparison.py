"""A log and a history, compared: what differs, what may be taken back, what mends it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.records import Bar, Cancel, Clock
from tapeline.streams.feeds.live.comparison import (
    ComparedSlots,
    Stated,
    absent_in_both,
    compare,
    mending,
)
from tapeline.streams.pipeline.routing import Router

MINUTE = 60_000
DAY = 86_400_000
RUNNING = ComparedSlots("BTC", 0, DAY, 20 * MINUTE)
WHOLE = ComparedSlots("BTC", 0, DAY, DAY)


def bar(slot: int, close: float = 10.0) -> Bar:
    return Bar("BTC", "1m", slot * MINUTE, 10.0, 12.0, 9.0, close, 5)


def bars(*slots: int) -> dict[int, Bar]:
    return {slot * MINUTE: bar(slot) for slot in slots}


@pytest.mark.parametrize(
    ("held", "stated", "equal", "kinds"),
    [
        ({}, Stated(), 0, []),
        (bars(1, 2), Stated(bars(1, 2)), 2, []),
        (bars(1), Stated(bars(1, 2)), 1, [(2, "missing")]),
        (bars(1, 2), Stated(bars(2)), 1, [(1, "extra")]),
        (bars(1), Stated({MINUTE: bar(1, 11.0)}), 0, [(1, "changed")]),
        ({MINUTE: replace(bar(1), source="live")}, Stated(bars(1)), 1, []),
        (bars(1, 2), Stated(bars(1), empty={2 * MINUTE}), 1, []),
        (bars(1), Stated(empty={2 * MINUTE}), 0, [(1, "extra")]),
        (bars(1), Stated(unclear={MINUTE: "off tick"}), 0, [(1, "unclear")]),
        ({}, Stated(unclear={MINUTE: "off tick"}), 0, [(1, "unclear")]),
    ],
)
def test_each_slot_is_equal_changed_missing_extra_or_unclear(
    held: dict[int, Bar], stated: Stated, equal: int, kinds: list[tuple[int, str]]
) -> None:
    found = compare(RUNNING, held, stated)
    assert found.equal == equal
    assert [(each.start_ms // MINUTE, each.kind) for each in found.differences] == kinds
    assert found.same == (not kinds)


def test_a_row_that_cannot_be_read_is_no_equality() -> None:
    assert not compare(RUNNING, bars(1), Stated(bars(1), unreadable=1)).same


@pytest.mark.parametrize(
    ("stretch", "labels", "first", "second", "absent"),
    [
        (RUNNING, [2], bars(1, 3), bars(1, 3), [2]),
        # A bar that one of the answers has is not absent.
        (RUNNING, [2], bars(1, 2, 3), bars(1, 3), []),
        # No row on one side: the history may not reach back, or not be that far yet.
        (RUNNING, [4], bars(1, 3), bars(1, 3), []),
        (RUNNING, [4], bars(1, 3, 5), bars(1, 3), []),
        (RUNNING, [0], bars(1, 3), bars(1, 3), []),
        # The edges of a whole session, as long as few bars are beyond the rows.
        (WHOLE, [0, 4], bars(1, 3), bars(1, 3), [0, 4]),
        (WHOLE, [0, 1, 2, 3], bars(4, 6), bars(4, 6), []),
        (WHOLE, [0, 1, 2, 5], bars(4, 6), bars(4, 6), [0, 1, 2, 5]),
        (WHOLE, [2], {}, {}, []),
    ],
)
def test_a_bar_is_absent_where_two_complete_answers_lack_it(
    stretch: ComparedSlots,
    labels: list[int],
    first: dict[int, Bar],
    second: dict[int, Bar],
    absent: list[int],
) -> None:
    asked = [label * MINUTE for label in labels]
    found = absent_in_both(stretch, asked, Stated(first), Stated(second))
    assert found == {label * MINUTE for label in absent}


def test_no_bar_is_absent_from_an_answer_with_rows_that_cannot_be_read() -> None:
    whole, torn = Stated(bars(1, 3)), Stated(bars(1, 3), unreadable=1)
    assert absent_in_both(RUNNING, [2 * MINUTE], whole, whole)
    assert not absent_in_both(RUNNING, [2 * MINUTE], torn, whole)
    assert not absent_in_both(RUNNING, [2 * MINUTE], whole, torn)


def test_a_log_is_mended_in_order_with_the_clocks_that_a_file_has() -> None:
    config = read_config("[instruments.BTC]\ntick = 0.01\ncalendar = '24/7'\n", "t.toml")
    held = {**bars(1, 2), 3 * MINUTE: bar(3, 11.0)}
    stated = Stated(bars(0, 1, 3, 6))
    comparison = compare(RUNNING, held, stated)
    plan = Router(config).plan("BTC")
    records = list(mending(comparison, {2 * MINUTE}, plan, 4 * MINUTE))
    assert records == [
        replace(bar(0), source="fill"),
        Cancel("BTC", "1m", 2 * MINUTE),
        replace(bar(3), source="fill"),
        Clock("BTC", 6 * MINUTE),
        replace(bar(6), source="fill"),
    ]
    kept = list(mending(comparison, set(), plan, 4 * MINUTE))
    assert [type(each) for each in kept] == [Bar, Bar, Clock, Bar]

"""The bars that strategies and orders saw."""

from __future__ import annotations

from tapeline.replay.report.seen_bars import bars_of
from tapeline.schemas.records import Bar, Cancel
from tapeline.streams.outputs.run_bars import BarLine
from tests.unit.replay.report.books import minute


def line(number: int, outcome: str, symbol: str = "ACME") -> BarLine:
    return BarLine(number, outcome, Bar(symbol, "1m", minute(number), 1.0, 2.0, 0.5, 1.5))


def test_only_bars_in_order_moved_orders() -> None:
    cancel = BarLine(4, "cancelled", Cancel("ACME", "1m", minute(2)))
    found = bars_of(
        [line(0, "accepted"), line(2, "accepted"), line(1, "late"), line(0, "changed"), cancel]
    )
    seen = found.symbols["ACME"]
    assert seen.starts == [minute(0), minute(2)]
    assert seen.closes == [1.5, 1.5]
    assert found.behind_clocks == {}


def test_late_bars_that_are_the_newest_were_passed_by_a_clock() -> None:
    lines = [
        line(0, "accepted"),
        line(1, "late"),
        line(2, "late"),
        line(1, "changed"),
        line(0, "late", "B"),
    ]
    assert bars_of(lines).behind_clocks == {"ACME": 2, "B": 1}


def test_a_bar_is_found_by_its_start() -> None:
    seen = bars_of([line(0, "accepted"), line(2, "accepted")]).symbols["ACME"]
    assert [seen.position(minute(each)) for each in range(4)] == [0, None, 1, None]
    assert seen.between(minute(0), minute(2)) == 1
    assert seen.between(minute(0), minute(3)) == 2

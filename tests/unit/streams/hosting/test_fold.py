"""The fold of a book: who gets which record, under which step, and what is left to be written."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pytest

from tapeline.schemas.codec import encode
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.host_events import StrategyState
from tapeline.schemas.partition import partition_for
from tapeline.schemas.records import Bar, Clock, LogRecord
from tapeline.streams.core.outcome import Outcome
from tapeline.streams.hosting.books import Book
from tapeline.streams.hosting.call_times import CallTimes
from tapeline.streams.hosting.fold import BookFold, BookStart
from tapeline.streams.hosting.state import read_book

MINUTE_MS = 60_000
BEGIN_MS = 1_764_547_200_000
"""2025-12-01 00:00 UTC."""
CONFIG = read_config(
    """
[kafka]
partitions = 2

[instruments.A]
tick = 0.01
calendar = "24/7"

[instruments.D]
tick = 0.01
calendar = "24/7"
""",
    "test",
)
HOME = partition_for("A", 2)
"""Partition of A; that of D is the other one."""
AWAY = partition_for("D", 2)


class Counting:
    """Calls no strategy: publishes one event a record, and keeps what it was given."""

    def __init__(self, step: int = 0) -> None:
        self.step = step
        self.host = self
        self.taken: list[tuple[int, int, str]] = []
        self._changed: dict[str, Any] = {}

    def take(
        self, item: Any, record: LogRecord, outcome: Outcome, group: str
    ) -> Sequence[StrategyState]:
        step, self.step = self.step, self.step + 1
        self.taken.append((item[2], item[0], outcome.kind))
        self._changed["memory|fade"] = step
        return [
            StrategyState(
                "strategy|fade", "upsert", step * 1_000_000, 0, None, None, outcome.watermark_ms,
                outcome.watermark_ms, None, None, "fade", {str(item[2]): item[0]}, "v1", "running",
                step, None, None, None, False,
            )
        ]  # fmt: skip

    def changed(self) -> Mapping[str, Any]:
        found, self._changed = self._changed, {}
        return found


class Slow(Counting):
    """Takes as long as the clock of the test says."""

    def __init__(self, clock: list[float], seconds: float) -> None:
        super().__init__()
        self._clock = clock
        self._seconds = seconds

    def take(self, *arguments: Any) -> Sequence[StrategyState]:
        self._clock[0] += self._seconds
        return super().take(*arguments)


class Named:
    """A strategy, as far as a book knows it."""

    name = "fade"
    account = "paper"
    symbols = ("A",)


BOOK: Book[Any] = Book(3, ("paper",), (Named(),), ("A",), frozenset({"A"}))


def a_fold(
    driver: Counting, offsets: Mapping[int, int], times: CallTimes | None = None
) -> BookFold:
    start = BookStart(offsets, dict.fromkeys(offsets, 0))
    fold = BookFold(CONFIG, BOOK, start, times or CallTimes())
    fold.attach(driver)
    return fold


def bar(symbol: str, minute: int) -> Bar:
    return Bar(symbol, "1m", BEGIN_MS + minute * MINUTE_MS, 1.0, 1.0, 1.0, 1.0)


def items(*records: LogRecord | bytes, first: int = 0, partition: int = HOME) -> list[Any]:
    return [(offset, record, partition, 0, record) for offset, record in enumerate(records, first)]


def test_what_a_state_includes_is_folded_again_and_goes_to_no_strategy() -> None:
    driver = Counting(step=40)
    fold = a_fold(driver, {HOME: 2})
    step = fold.take(items(bar("A", 0), bar("A", 1), bar("A", 2), bar("A", 3)))
    assert driver.taken == [(HOME, 2, "accepted"), (HOME, 3, "accepted")]
    assert (step.taken, fold.step, fold.offsets) == (2, 42, {HOME: 4})
    engine = fold.router.group_engine("A")
    assert engine.watermark_ms("A") == BEGIN_MS + 4 * MINUTE_MS, "its engines have all of it"


def test_duplicates_and_late_bars_are_steps_and_dead_letters_are_none() -> None:
    driver = Counting()
    fold = a_fold(driver, {HOME: 0})
    fold.take(items(bar("A", 0), bar("A", 2), bar("A", 2), b"nonsense", bar("A", 1)))
    assert driver.taken == [
        (HOME, 0, "accepted"),
        (HOME, 1, "accepted"),
        (HOME, 2, "duplicates"),
        (HOME, 4, "late"),
    ]
    assert fold.offsets == {HOME: 5}


def test_records_of_other_groups_move_offsets_and_are_no_steps() -> None:
    driver = Counting()
    fold = a_fold(driver, {HOME: 0, AWAY: 0})
    step = fold.take([*items(bar("A", 0)), *items(bar("D", 0), partition=AWAY)])
    assert (step.taken, step.moved, fold.offsets) == (1, True, {HOME: 1, AWAY: 1})
    idle = fold.take(items(bar("D", 1), first=1, partition=AWAY))
    assert (idle.taken, idle.moved, idle.outputs) == (0, True, {})
    known = fold.take(items(bar("D", 1), first=1, partition=AWAY))
    assert not known.moved


def test_events_are_messages_of_the_book_at_the_market_time_of_the_host() -> None:
    fold = a_fold(Counting(step=5), {HOME: 0})
    step = fold.take(items(Clock("A", BEGIN_MS + 90_000)))
    ((topic, (message,)),) = step.outputs.items()
    assert topic == "tape.strategies.v1"
    assert message.timestamp_ms == BEGIN_MS + 90_000
    assert message.key == b"strategy|fade"
    assert dict(message.headers) == {
        "seq": b"5000000",
        "rev": b"0",
        "type": b"strategy",
        "group": b"book-3",
    }
    assert message.value is not None
    assert orjson.loads(message.value)["cause"] == {str(HOME): 0}
    assert fold.events == {"tape.strategies.v1": 1}


def test_state_and_offsets_go_together_and_what_did_not_change_is_not_written_again() -> None:
    fold = a_fold(Counting(), {HOME: 0})
    fold.take(items(bar("A", 0)))
    stored = read_book(fold.state(), 2)
    assert stored.records == {"memory|fade": 0}
    assert stored.checkpoint is not None
    assert (stored.checkpoint.step, stored.checkpoint.offsets) == (1, {HOME: 1})
    assert [key for key, _ in fold.state()] == [b"|checkpoint"]


def test_a_record_behind_which_a_sleeper_wrote_goes_into_the_next_batch() -> None:
    driver = Counting()
    fold = a_fold(driver, {HOME: 0})
    fold.attach(driver, {"ring|A": [1]})
    assert [key for key, _ in fold.state()] == [b"|ring|A", b"|checkpoint"]
    assert [key for key, _ in fold.state()] == [b"|checkpoint"]


def test_a_book_that_is_taken_up_anywhere_publishes_what_one_that_never_stopped_does() -> None:
    log = items(*(encode(bar("A", minute)) for minute in (0, 1, 3, 2, 3, 4, 9)), b"", b"{")
    whole = a_fold(Counting(), {HOME: 0})
    expected = whole.take(log).outputs
    assert [len(found) for found in expected.values()] == [7]
    for cut in range(len(log) + 1):
        before = a_fold(Counting(), {HOME: 0})
        outputs = {name: list(found) for name, found in before.take(log[:cut]).outputs.items()}
        stored = read_book(before.state(), 0)
        assert stored.checkpoint is not None
        after = a_fold(Counting(stored.checkpoint.step), stored.checkpoint.offsets)
        for name, found in after.take(log).outputs.items():
            outputs[name] = outputs.get(name, []) + found
        assert outputs == expected, cut


@pytest.mark.parametrize(("seconds", "warned"), [(15.0, False), (15.1, True)])
def test_a_call_that_takes_a_quarter_of_the_base_interval_is_a_warning(
    seconds: float, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    clock = [0.0]
    times = CallTimes(lambda: clock[0])
    fold = a_fold(Slow(clock, seconds), {HOME: 0}, times)
    with caplog.at_level(logging.WARNING):
        fold.take(items(bar("A", 0)))
    assert ("strategies took 15.1 s for partition" in caplog.text) == warned
    assert (times.calls, times.slow, times.seconds) == (1, int(warned), seconds)

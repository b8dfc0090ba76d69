"""Records on their way to the destination."""

from __future__ import annotations

from tapeline.schemas.feed_events import Limit
from tapeline.schemas.records import Clock
from tapeline.streams.feeds.live.engine.outbox import BATCH, Outbox
from tapeline.streams.feeds.live.model import Action, Append, Report
from tapeline.streams.pipeline.log_writer import LogEntry


def _entry(time_ms: int) -> LogEntry:
    return LogEntry(Clock("A", time_ms), "canary", 0)


def _event(identity: str) -> Limit:
    return Limit(identity, "f", None, 0, 0, 0)


def _shown(actions: list[Action]) -> list[object]:
    return [
        [entry.record.time_ms for entry in action.entries if isinstance(entry.record, Clock)]
        if isinstance(action, Append)
        else action.event.id
        for action in actions
        if isinstance(action, (Append, Report))
    ]


def test_what_comes_while_a_batch_is_on_its_way_is_the_next_batch() -> None:
    outbox = Outbox()
    outbox.add(_entry(1))
    assert _shown(outbox.leave()) == [[1]]
    outbox.add(_entry(2))
    outbox.add(_entry(3))
    assert outbox.leave() == []
    outbox.acknowledged(1)
    assert _shown(outbox.leave()) == [[2, 3]]


def test_a_batch_has_a_greatest_size() -> None:
    outbox = Outbox()
    for number in range(BATCH + 1):
        outbox.add(_entry(number))
    (first,) = _shown(outbox.leave())
    outbox.acknowledged(1)
    assert first == list(range(BATCH))
    assert _shown(outbox.leave()) == [[BATCH]]


def test_an_event_leaves_before_the_records_that_follow_it() -> None:
    outbox = Outbox()
    outbox.report(_event("open"))
    outbox.add(_entry(1))
    assert _shown(outbox.leave()) == ["open", [1]]


def test_an_event_that_needs_records_waits_until_they_are_held() -> None:
    outbox = Outbox()
    outbox.add(_entry(1))
    outbox.after(_event("filled"))
    outbox.add(_entry(2))
    assert _shown(outbox.leave()) == [[1, 2]]
    assert outbox.leave() == []
    assert not outbox.empty
    outbox.acknowledged(1)
    assert _shown(outbox.leave()) == ["filled"]
    assert outbox.empty


def test_an_acknowledgement_of_another_batch_says_nothing() -> None:
    outbox = Outbox()
    outbox.add(_entry(1))
    outbox.leave()
    outbox.acknowledged(7)
    assert not outbox.empty

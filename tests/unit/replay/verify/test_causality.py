"""Rules that repaint are found, by type; the engine's own do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

import pytest
from msgspec.structs import replace

from tapeline.replay.verify.causality import (
    CausalityReport,
    Published,
    check_prefixes,
    random_ends,
    rewritings,
)
from tapeline.schemas.events import DerivedBar, Event, Output, Retract, Swing
from tapeline.schemas.records import Bar, LogRecord
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.pipeline.drive import Drive
from tapeline.streams.pipeline.routing import Router
from tests.unit.replay.run.test_stretches import CONFIG, records

LENGTH = 700
Rule = Callable[[LogRecord, list[Output]], list[Output]]


@lru_cache(maxsize=1)
def log() -> list[LogRecord]:
    """Disorder, corrections and two calendars; some hours are enough here."""
    return [each for each in records(3, 2) if not isinstance(each, bytes)][:LENGTH]


def run_with(make_rule: Callable[[int], Rule] | None) -> Callable[[int], Iterator[Published]]:
    """Runs of prefixes by fresh engines; a rule, made for the length of the run, adds to them."""

    def run(length: int) -> Iterator[Published]:
        drive = Drive(Router(CONFIG))
        rule = None if make_rule is None else make_rule(length)
        for offset, record in enumerate(log()[:length]):
            try:
                events = drive.apply(record, offset).events
            except RecordRejected:
                events = []
            yield events if rule is None else rule(record, events)

    return run


def checked(make_rule: Callable[[int], Rule] | None, prefixes: int = 5) -> CausalityReport:
    return check_prefixes(run_with(make_rule), len(log()), random_ends(len(log()), prefixes, 1))


def test_the_engines_rewrite_nothing_in_a_log_of_disorder_and_corrections() -> None:
    report = checked(None)
    assert report.clean
    assert (report.records, len(report.ends)) == (LENGTH, 5)
    corrected = [each for events in run_with(None)(LENGTH) for each in events if each.corrects]  # type: ignore[union-attr]
    assert len(corrected) > 100


class EagerSwings:
    """Publishes a high with its own bar, and takes it back when a later one is higher."""

    def __init__(self, length: int) -> None:
        self.last: Swing | None = None
        self.taken_back = 0

    def __call__(self, record: LogRecord, events: list[Output]) -> list[Output]:
        if not isinstance(record, Bar) or record.symbol != "ES" or not events:
            return events
        first = events[0]
        swing = Swing(
            f"swing|ES|{record.start_ms}|eager",
            "upsert",
            first.seq + 900_000,
            0,
            "ES",
            first.session,
            first.watermark_ms,
            first.watermark_ms,
            None,
            record.start_ms,
            "high",
            record.high,
            1,
            None,
            None,
        )
        added: list[Output] = [swing]
        last, self.last = self.last, swing
        if last is not None and last.start_ms < record.start_ms and last.price < record.high:
            self.taken_back += 1
            added.insert(0, retract_of(last, first.seq + 800_000, first.watermark_ms))
        elif last is not None:
            added = []
            self.last = last
        return [*events, *added]


def retract_of(event: Event, seq: int, watermark_ms: int) -> Retract:
    kind = str(event.__struct_config__.tag)
    times = event.event_ms, watermark_ms
    return Retract(kind, event.id, "retract", seq, 0, event.symbol, event.session, *times, None)


def test_a_swing_that_is_published_early_and_taken_back_is_counted() -> None:
    rules: list[EagerSwings] = []

    def make(length: int) -> Rule:
        rules.append(EagerSwings(length))
        return rules[-1]

    report = checked(make, prefixes=15)
    taken_back = max(rule.taken_back for rule in rules)
    assert taken_back > 3
    assert report.rewritten == {"swing": taken_back}
    assert report.different == ()
    assert report.repainted_ends > 0
    assert all(isinstance(each.new, Retract) for each in report.findings)


class Afterthought:
    """Puts the close of a derived bar right when the next bar has come."""

    def __init__(self, length: int) -> None:
        self.last: DerivedBar | None = None

    def __call__(self, record: LogRecord, events: list[Output]) -> list[Output]:
        out = list(events)
        last = self.last
        if last is not None and events and last.id not in {each.id for each in events}:
            seq, mark = events[-1].seq + 1, events[-1].watermark_ms
            out.append(replace(last, close=last.close + 1.0, seq=seq, event_ms=mark))
            self.last = None
        for event in events:
            if isinstance(event, DerivedBar) and event.interval == "5m":
                self.last = event
        return out


def test_a_published_bar_that_changes_is_counted_with_the_field() -> None:
    report = checked(Afterthought)
    assert set(report.rewritten) == {"derived_bar"}
    assert report.rewritten["derived_bar"] > 3
    assert "close" in report.findings[0].fields


class Hindsight:
    """A bar is published only if the run goes on for long enough to see what came of it."""

    def __init__(self, length: int) -> None:
        self.left = length

    def __call__(self, record: LogRecord, events: list[Output]) -> list[Output]:
        self.left -= 1
        return [each for each in events if not isinstance(each, DerivedBar) or self.left > 200]


def test_a_longer_run_that_knew_more_is_no_continuation_of_its_prefixes() -> None:
    report = checked(Hindsight)
    assert report.rewritten == {}
    assert len(report.different) == 5
    assert not report.clean


class Optimist:
    """Near the end of what it has, a close is taken for higher than it will turn out to be."""

    def __init__(self, length: int) -> None:
        self.left = length

    def __call__(self, record: LogRecord, events: list[Output]) -> list[Output]:
        self.left -= 1
        if self.left > 300:
            return events
        return [
            replace(each, close=each.close + 1.0) if isinstance(each, DerivedBar) else each
            for each in events
        ]


def test_a_prefix_whose_readings_the_longer_run_never_had_is_counted_by_type() -> None:
    report = checked(Optimist)
    assert set(report.rewritten) == {"derived_bar"}
    assert len(report.different) == 5
    finding = report.findings[0]
    assert (finding.fields, finding.type) == (("close",), "derived_bar")


class UnderCover:
    """Changes an old bar whenever a correction of something later is published."""

    def __init__(self, length: int) -> None:
        self.old: DerivedBar | None = None

    def __call__(self, record: LogRecord, events: list[Output]) -> list[Output]:
        for event in events:
            if self.old is None and isinstance(event, DerivedBar):
                self.old = event
            elif self.old is not None and event.corrects and event.corrects > self.old.event_ms:
                changed = replace(
                    self.old,
                    close=self.old.close + 1.0,
                    seq=event.seq,
                    corrects=event.corrects,
                    watermark_ms=event.watermark_ms,
                )
                self.old = None
                return [*events, changed]
        return events


def test_a_correction_does_not_excuse_what_was_decided_before_its_bar() -> None:
    report = checked(UnderCover)
    assert set(report.rewritten) == {"derived_bar"}
    assert report.findings[0].fields == ("close",)


def test_a_fact_may_come_back_after_a_correction_took_it() -> None:
    events = [each for published in run_with(None)(LENGTH) for each in published]
    bar = next(each for each in events if isinstance(each, DerivedBar) and each.corrects is None)
    gone = replace(retract_of(bar, bar.seq + 5, bar.watermark_ms), corrects=bar.start_ms)
    again = replace(bar, seq=bar.seq + 6, rev=2, close=bar.close + 1.0)
    assert list(rewritings([[bar], [gone], [again]])) == []


@pytest.mark.parametrize(("records_there", "asked", "drawn"), [(1, 5, 0), (4, 20, 3), (90, 20, 20)])
def test_ends_lie_inside_the_run_each_once(records_there: int, asked: int, drawn: int) -> None:
    ends = random_ends(records_there, asked, 7)
    assert len(set(ends)) == drawn == len(ends)
    assert all(0 < end < records_there for end in ends)
    assert ends == sorted(ends) == random_ends(records_there, asked, 7)

"""Records of a log on their way through a replay, and what each of them led to."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from msgspec import Struct

from tapeline.schemas.events import Output, Reject
from tapeline.schemas.host_events import HostEvent
from tapeline.schemas.records import LogRecord
from tapeline.streams.core.correct.corrections import Correction
from tapeline.streams.pipeline.refusals import Refusal

UNTIMED = itemgetter(5)


class LogItem(NamedTuple):
    """One record of the log, as the drive takes it.

    Attributes
    ----------
    content
        The record, or why it is none.
    time_ms
        Its key in the order. In a topic the greatest end that its partition has shown up to and
        with it (`streams.kafka.shown`); in files and of sorted bars its own: end of the bar or of
        the cancelled slot, time of the clock, of what cannot be read that of the record before it.
    origin
        What its source knows it by.
    untimed
        Whether its CreateTime is another than the end of its bar, or the time of its clock.
    """

    offset: int
    content: LogRecord | Refusal
    partition: int
    time_ms: int
    origin: Any
    untimed: bool = False


def count_untimed(items: Sequence[LogItem]) -> int:
    """How many of them are `LogItem.untimed`."""
    return sum(map(UNTIMED, items))


class Release(Struct, frozen=True, gc=False):
    """One record inside the bounds of a replay, and what it led to.

    Attributes
    ----------
    events
        What it changed in the view, in the order of publication.
    letter
        The dead letter it became.
    group
        Group of its symbol; None where that cannot be read.
    watermark_ms
        Greatest watermark of the group after it: CreateTime of the events.
    correction
        What it did if it was a late, changed or cancelled bar.
    outcome
        What became of it, one of `OUTCOMES`; None of a dead letter.
    hosted
        What strategies and accounts published of it, after `events`.
    marked
        Whether a strategy marked it.
    """

    item: LogItem
    events: list[Output]
    letter: Reject | None
    group: str | None
    watermark_ms: int | None
    correction: Correction | None
    outcome: str | None = None
    hosted: Sequence[HostEvent] = ()
    marked: bool = False


class Extent(NamedTuple):
    """Offsets [begin, end) of a partition; an end of None is not known before it is read."""

    begin: int
    end: int | None

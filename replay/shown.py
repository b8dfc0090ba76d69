"""The key of a record in the order of a replay: the greatest end its partition has shown so far.

It is read from the records, never from their CreateTime, which is whatever a producer made of it,
and takes no fold and no calendar: so it is the same for every selection of groups, every number of
processes and every size of a fetch.
"""

from __future__ import annotations

from schemas.config import TimeConfig
from schemas.intervals import DAY_MS
from schemas.records import Bar, Clock, LogRecord
from streams.feeds.items import Refusal
from streams.kafka.stamps import IntervalLengths

REACH_MS = 35 * DAY_MS
"""An end farther ahead is taken for a mistake: one bad bar must not end the order of a log."""
BEFORE_ALL = -(1 << 62)
AFTER_ALL = 1 << 62


class Shown:
    """Keys of the records of one partition, in the order of their offsets.

    The end of a bar is start + length of its interval, that of a clock its time. What cannot be
    read, has no end (a cancel), lies outside ``[time]``, or ends more than `REACH_MS` above the
    greatest so far has the key of the record before it.

    Parameters
    ----------
    time
        Instants that a record may have.
    reached_ms
        Greatest watermark of what lies before the first record, where it is known.

    Attributes
    ----------
    key_ms
        Of the last record.
    """

    __slots__ = ("_earliest_ms", "_latest_ms", "_lengths", "_limit_ms", "key_ms")

    def __init__(self, time: TimeConfig, reached_ms: int | None = None) -> None:
        self.key_ms = BEFORE_ALL if reached_ms is None else reached_ms
        self._lengths = IntervalLengths()
        self._earliest_ms, self._latest_ms = time.earliest_ms, time.latest_ms
        self._limit_ms = AFTER_ALL if reached_ms is None else reached_ms + REACH_MS

    def take(self, content: LogRecord | Refusal) -> int:
        """Key of the next record."""
        if type(content) is Bar:
            instant_ms = content.start_ms
            length = self._lengths[content.interval]
            if length is None:
                return self.key_ms
            end_ms = instant_ms + length
        elif type(content) is Clock:
            instant_ms = end_ms = content.time_ms
        else:
            return self.key_ms
        if self.key_ms < end_ms <= self._limit_ms and (
            self._earliest_ms <= instant_ms < self._latest_ms
        ):
            self.key_ms = end_ms
            self._limit_ms = end_ms + REACH_MS
        return self.key_ms

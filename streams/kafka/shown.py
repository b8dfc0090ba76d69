"""The key of a record in the order of a replay: the greatest end its partition has shown so far.

It is read from the records, never from their CreateTime, which is whatever a producer made of it,
and takes no fold and no calendar: so it is the same for every selection of groups, every number of
processes and every size of a fetch.
"""

from __future__ import annotations

from collections.abc import Iterable

from tapeline.schemas.config.model import TimeConfig
from tapeline.schemas.instants import DAY_MS, FAR_PAST_MS
from tapeline.schemas.records import Bar, Clock, LogRecord
from tapeline.streams.kafka.stamps import IntervalLengths
from tapeline.streams.pipeline.refusals import Refusal

REACH_MS = 35 * DAY_MS
"""An end farther ahead is taken for a mistake: one bad bar must not end the order of a log."""


class Shown:
    """Keys of the records of one partition, in the order of their offsets.

    The end of a bar is start + length of its interval, that of a clock its time. What cannot be
    read, has no end (a cancel), lies outside ``[time]``, or ends more than `REACH_MS` above the
    greatest so far has the key of the record before it.

    Parameters
    ----------
    time
        Instants that a record may have.
    key_ms
        Of the record before the first one; `FAR_PAST_MS` where there is none, or none has shown
        anything.

    Attributes
    ----------
    key_ms
        Of the last record.
    """

    __slots__ = ("_floor_ms", "_latest_ms", "_lengths", "_limit_ms", "key_ms")

    def __init__(self, time: TimeConfig, key_ms: int = FAR_PAST_MS) -> None:
        self._lengths = IntervalLengths()
        self._latest_ms = time.latest_ms
        self.key_ms = key_ms
        if key_ms == FAR_PAST_MS:
            self._floor_ms, self._limit_ms = time.earliest_ms - 1, time.latest_ms
        else:
            self._floor_ms = key_ms
            self._limit_ms = min(key_ms + REACH_MS, time.latest_ms)

    @property
    def limit_ms(self) -> int:
        """The greatest end that the next record can show."""
        return self._limit_ms

    def take(self, contents: Iterable[LogRecord | Refusal]) -> list[int]:
        """Keys of the next records."""
        # Without a call or an attribute for each: every record of a log passes here.
        key, floor, limit, latest = self.key_ms, self._floor_ms, self._limit_ms, self._latest_ms
        lengths = self._lengths
        keys: list[int] = []
        add = keys.append
        for content in contents:
            kind = type(content)
            if kind is Bar:
                length = lengths[content.interval]  # type: ignore[union-attr]
                end = floor if length is None else content.start_ms + length  # type: ignore[union-attr]
            elif kind is Clock:
                end = content.time_ms  # type: ignore[union-attr]
            else:
                end = floor
            if floor < end <= limit:
                key = floor = end
                limit = end + REACH_MS
                if limit > latest:
                    limit = latest
            add(key)
        self.key_ms, self._floor_ms, self._limit_ms = key, floor, limit
        return keys


class OwnEnds:
    """Ends of records by themselves, however far above the greatest end before them.

    Parameters
    ----------
    time
        Instants that a record may have.
    """

    def __init__(self, time: TimeConfig) -> None:
        self._time = time
        self._lengths = IntervalLengths()

    def of(self, content: LogRecord | Refusal) -> int:
        """The end of a record; `FAR_PAST_MS` of what shows none, see `Shown`."""
        end_ms = FAR_PAST_MS
        if isinstance(content, Bar):
            length = self._lengths[content.interval]
            end_ms = FAR_PAST_MS if length is None else content.start_ms + length
        elif isinstance(content, Clock):
            end_ms = content.time_ms
        return end_ms if self._time.earliest_ms <= end_ms <= self._time.latest_ms else FAR_PAST_MS

"""The key of the last record of a partition in the order of a replay, beside its fold.

A replay that begins with a state orders the records after it as one from the log's beginning only
if it knows what the records before it have shown (`streams.kafka.shown`), those that were refused,
too. To ask every record would cost a fold more than it may: bars in order end at their watermark,
so the others alone are asked, and all of a chunk are where that leaves a doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tapeline.schemas.codec import CodecError
from tapeline.schemas.config.model import TimeConfig
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.schemas.records import LogRecord
from tapeline.streams.kafka.raw_records import RawRecord
from tapeline.streams.kafka.shown import OwnEnds, Shown
from tapeline.streams.pipeline.refusals import Refusal


class LastKey:
    """Keeps the key from chunk to chunk.

    Parameters
    ----------
    time
        Instants that a record may have.
    key_ms
        Of the last record before the first chunk.
    decode
        Reads a record, or raises `CodecError`.
    """

    def __init__(self, time: TimeConfig, key_ms: int, decode: Callable[[bytes], LogRecord]) -> None:
        self._time = time
        self._decode = decode
        self._end_of = OwnEnds(time).of
        self._begin(key_ms)

    def _begin(self, key_ms: int) -> None:
        self.key_ms = key_ms
        self._limit_ms = Shown(self._time, key_ms).limit_ms
        self._noted_ms = FAR_PAST_MS
        self._each: Shown | None = None
        self._next = 0

    def note(self, record: LogRecord) -> None:
        """A record of the chunk that is no bar in order, whatever became of it."""
        end_ms = self._end_of(record)
        if end_ms > self._noted_ms:
            self._noted_ms = end_ms

    def after(
        self, records: Sequence[RawRecord], offset: int, before_ms: int, reached_ms: int
    ) -> int:
        """Key of the record of the chunk that has that offset; all up to there were taken.

        Parameters
        ----------
        records
            The chunk, from its beginning on.
        before_ms, reached_ms
            Greatest watermark of the partition before the chunk, and with the record.
        """
        greatest_ms = max(self._noted_ms, reached_ms)
        known = self.key_ms != FAR_PAST_MS and before_ms <= self.key_ms
        if known and greatest_ms <= self._limit_ms:
            return max(self.key_ms, greatest_ms)
        # An end beyond the reach counts or not by what is before it, and the first one of all
        # sets the reach.
        each = self._each
        if each is None:
            each = self._each = Shown(self._time, self.key_ms)
        contents: list[LogRecord | Refusal] = []
        at = self._next
        while at < len(records) and records[at].offset <= offset:
            try:
                contents.append(self._decode(records[at].value or b""))
            except CodecError as error:
                contents.append(Refusal(error.code, error.reason, error.symbol))
            at += 1
        self._next = at
        each.take(contents)
        return each.key_ms

    def end(
        self, records: Sequence[RawRecord], offset: int, before_ms: int, reached_ms: int
    ) -> int:
        """As `after`, of the last record that is taken of the chunk; another chunk may follow."""
        self._begin(self.after(records, offset, before_ms, reached_ms))
        return self.key_ms

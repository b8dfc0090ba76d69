"""Whether the CreateTime of a record follows the contract: end of its bar, time of its clock.

Only readers that look records up by time rely on it. Order and bounds of a replay, and every
result, follow from the records themselves.
"""

from __future__ import annotations

from tapeline.schemas.config.model import Config
from tapeline.schemas.intervals import parse_interval
from tapeline.schemas.records import Bar, Clock, LogRecord
from tapeline.streams.core.checks import RecordChecks
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.kafka.messages import create_time
from tapeline.streams.pipeline.planning import plan_instrument

KNOWN_LIMIT = 256


class IntervalLengths(dict[str, int | None]):
    """Lengths of intervals by name, in milliseconds; None of what is no interval."""

    def __missing__(self, name: str) -> int | None:
        try:
            length: int | None = parse_interval(name).length_ms
        except ValueError:
            length = None
        if len(self) < KNOWN_LIMIT:
            self[name] = length
        return length


class Stamps:
    """Compares CreateTime with records.

    Parameters
    ----------
    config
        Its calendars show which bars a close makes shorter, and which records are valid.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lengths = IntervalLengths()
        self._plans: dict[str, tuple[InstrumentPlan, RecordChecks] | None] = {}

    def differs(self, record: LogRecord, stamp_ms: int) -> bool:
        """Whether a valid record has another CreateTime than `publish` would give it.

        Parameters
        ----------
        stamp_ms
            CreateTime, epoch milliseconds.
        """
        if isinstance(record, Clock):
            return stamp_ms != create_time(record.time_ms)
        length = self._lengths[record.interval]
        if length is None:
            return False
        start_ms = record.start_ms
        if stamp_ms == create_time(start_ms + length):
            return False
        found = None if not start_ms < stamp_ms < start_ms + length else self._plan(record.symbol)
        if found is None:
            return True
        plan, _ = found
        return stamp_ms != create_time(plan.calendar.slot_end(start_ms, plan.base_ms))

    def untimed(self, record: LogRecord, stamp_ms: int) -> bool:
        """Whether any record is valid in itself and has another CreateTime; see `differs`.

        What is not valid has no end: `publish` gives it the time of the record before it.
        """
        if not self.differs(record, stamp_ms):
            return False
        found = self._plan(record.symbol)
        if found is None:
            return False
        _, checks = found
        try:
            if isinstance(record, Clock):
                checks.clock(record.time_ms)
                return True
            checks.interval(record.interval)
            checks.label(record.start_ms)
            if isinstance(record, Bar):
                checks.prices(record)
                checks.volume(record.volume)
        except RecordRejected:
            return False
        return True

    def _plan(self, symbol: str) -> tuple[InstrumentPlan, RecordChecks] | None:
        if symbol not in self._plans:
            instrument = self._config.instrument(symbol)
            found = None
            if instrument is not None:
                plan = plan_instrument(self._config, symbol, instrument)
                found = plan, RecordChecks(plan)
            self._plans[symbol] = found
        return self._plans[symbol]

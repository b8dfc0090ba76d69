"""A log as we know it now: the last version of every bar, sorted (docs/rules.md 15.3)."""

from __future__ import annotations

from collections.abc import Iterator

from tapeline.schemas.config.model import Config
from tapeline.schemas.records import Bar, Clock, LogRecord
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.pipeline.admission import Admission
from tapeline.streams.pipeline.routing import Router


class FinalBars:
    """What the records of a log leave, in whatever order it brought them.

    Every record counts that is valid in itself, also what came beyond the correction horizon. A
    jump beyond ``max_ahead`` is refused at its offset in the log.

    Parameters
    ----------
    router
        Checks the records; it is given none.
    """

    def __init__(self, config: Config, router: Router) -> None:
        self.taken = 0
        self._config = config
        self._router = router
        self._bars: dict[tuple[str, int], Bar] = {}
        self._marks: dict[str, int] = {}
        self._begun: dict[str, bool] = {}
        self._admission = Admission(config)

    def add(self, record: LogRecord) -> None:
        """The next record of the log.

        Raises
        ------
        RecordRejected
            It must become a dead letter, and does not count.
        """
        symbol = record.symbol
        if self._config.instrument(symbol) is not None:
            # In the order of the log, as if it were not sorted.
            self._admission.admit(symbol, 0)
        self._router.check(record)
        if isinstance(record, Bar):
            self._reach(symbol, self._router.slot_end_ms(symbol, record.start_ms))
            self._begun[symbol] = True
            self._bars[symbol, record.start_ms] = record
        elif isinstance(record, Clock):
            self._reach(symbol, record.time_ms)
        else:
            self._bars.pop((symbol, record.start_ms), None)
        self.taken += 1

    def _reach(self, symbol: str, instant_ms: int) -> None:
        known = self._marks.get(symbol)
        instrument = self._config.instrument(symbol)
        limit = 0 if instrument is None else instrument.max_ahead_ms
        if known is not None and symbol in self._begun and limit and instant_ms - known > limit:
            raise RecordRejected(
                "ahead_of_time", f"{instant_ms} is more than {limit} ms after {known}"
            )
        if known is None or instant_ms > known:
            self._marks[symbol] = instant_ms

    def bars(self) -> list[Bar]:
        """The bars that are left, by end, then symbol."""
        end_of = self._router.slot_end_ms
        return sorted(
            self._bars.values(),
            key=lambda bar: (end_of(bar.symbol, bar.start_ms), bar.symbol, bar.start_ms),
        )

    def clocks(self) -> Iterator[Clock]:
        """One clock for each symbol at its watermark, in order of name."""
        for symbol in sorted(self._marks):
            yield Clock(symbol, self._marks[symbol])

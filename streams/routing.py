"""Which engine takes a record: one a group, made when its first record comes."""

from __future__ import annotations

from collections.abc import Callable

from schemas.config import Config
from schemas.events import Output
from schemas.intervals import MINUTE_MS, parse_interval
from schemas.records import LogRecord
from streams.core.corrections import Correction
from streams.core.engine import GroupEngine
from streams.core.rejection import RecordRejected
from streams.planning import plan_group


class Router:
    """The engines of all groups that a configuration and its input name.

    Parameters
    ----------
    make
        Gives the engine of a group when its first record comes; None: a new one.

    Attributes
    ----------
    engines
        By group id, in the order in which their first records came.
    correction
        What the last record did if it was a late, changed or cancelled bar, otherwise None.
    """

    def __init__(self, config: Config, make: Callable[[str], GroupEngine] | None = None) -> None:
        self.engines: dict[str, GroupEngine] = {}
        self.correction: Correction | None = None
        self._config = config
        self._make = self._new_engine if make is None else make
        self._by_symbol: dict[str, GroupEngine] = {}

    @property
    def config(self) -> Config:
        """The configuration."""
        return self._config

    def apply(self, record: LogRecord, offset: int) -> list[Output]:
        """Hand a record to the engine of its group; see `GroupEngine.apply`.

        Raises
        ------
        RecordRejected
            ``unknown_symbol`` when no instrument is configured for it, and what the engine refuses.
        """
        engine = self._by_symbol.get(record.symbol)
        if engine is None:
            engine = self._find(record.symbol)
        out = engine.apply(record, offset)
        self.correction = None if engine.smooth else engine.correction
        return out

    def check(self, record: LogRecord) -> None:
        """Check what does not depend on earlier records; see `apply`."""
        engine = self._by_symbol.get(record.symbol)
        if engine is None:
            engine = self._find(record.symbol)
        engine.check(record)

    def _find(self, symbol: str) -> GroupEngine:
        if self._config.instrument(symbol) is None:
            raise RecordRejected("unknown_symbol", f"symbol {symbol!r} is not configured")
        engine = self.group_engine(self._config.group_of(symbol))
        self._by_symbol[symbol] = engine
        return engine

    def _new_engine(self, group: str) -> GroupEngine:
        return GroupEngine(plan_group(self._config, group))

    def symbols(self) -> list[str]:
        """Symbols that had a record, by name."""
        return sorted(self._by_symbol)

    def engine(self, symbol: str) -> GroupEngine:
        """Engine of a symbol that had a record."""
        return self._by_symbol[symbol]

    def group_engine(self, group: str) -> GroupEngine:
        """Engine of a group; made if no record has come yet."""
        engine = self.engines.get(group)
        if engine is None:
            engine = self._make(group)
            self.engines[group] = engine
        return engine

    def replace(self, group: str, engine: GroupEngine) -> None:
        """Put another engine in the place of a group's."""
        self.engines[group] = engine
        for symbol in self._config.members(group):
            if symbol in self._by_symbol:
                self._by_symbol[symbol] = engine

    def base_of(self, symbol: str) -> str:
        """Base interval of a symbol; 1m for one that will be refused."""
        instrument = self._config.instrument(symbol)
        return "1m" if instrument is None else instrument.base

    def slot_end_ms(self, symbol: str, start_ms: int) -> int:
        """End of the bar of a symbol with a label, for ordering inputs."""
        engine = self._by_symbol.get(symbol)
        if engine is None:
            try:
                engine = self._find(symbol)
            except RecordRejected:
                return start_ms + MINUTE_MS
        return engine.slot_end_ms(symbol, start_ms)


class SlotEnds:
    """Ends of bars; for minutes a sum, because every session's edge is a whole minute.

    Attributes
    ----------
    lengths
        By symbol, for bases up to a minute.
    """

    def __init__(self, router: Router) -> None:
        self.lengths: dict[str, int] = {}
        self._router = router

    def __call__(self, symbol: str, start_ms: int) -> int:
        """End of the bar of a symbol with a label."""
        length = self.lengths.get(symbol)
        if length is not None:
            return start_ms + length
        length = parse_interval(self._router.base_of(symbol)).length_ms
        if length <= MINUTE_MS:
            self.lengths[symbol] = length
            return start_ms + length
        return self._router.slot_end_ms(symbol, start_ms)

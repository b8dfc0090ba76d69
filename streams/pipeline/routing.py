"""Which engine takes a record: one a group, made when its first record comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tapeline.schemas.config.model import Config
from tapeline.schemas.event_types import Registry
from tapeline.schemas.instants import MINUTE_MS
from tapeline.schemas.intervals import parse_interval
from tapeline.schemas.records import LogRecord
from tapeline.schemas.registry import EVENTS
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.outcome import Outcome
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.pipeline.admission import Admission, StandIn
from tapeline.streams.pipeline.planning import plan_group


class Router:
    """The engines of all groups that a configuration and its input name.

    Parameters
    ----------
    make
        Gives the engine of a group when its first record comes; None: a new one.
    symbols
        Those that are not configured and have a place already; see `Admission`.
    registry
        The types of the events of new engines.

    Attributes
    ----------
    engines
        By group id, in the order in which their first records came.
    admission
        The places of symbols that are not configured.
    """

    def __init__(
        self,
        config: Config,
        make: Callable[[str], GroupEngine] | None = None,
        symbols: Iterable[str] = (),
        registry: Registry = EVENTS,
    ) -> None:
        self._registry = registry
        self.engines: dict[str, GroupEngine] = {}
        self._config = config
        self._make = self._new_engine if make is None else make
        self._by_symbol: dict[str, GroupEngine] = {}
        self._stand_in = StandIn(config)
        self.admission = Admission(config, symbols)
        self._checked: set[str] = set()

    @property
    def config(self) -> Config:
        """The configuration."""
        return self._config

    def apply(self, record: LogRecord, offset: int) -> Outcome:
        """Hand a record to the engine of its group; see `GroupEngine.apply`.

        Raises
        ------
        RecordRejected
            ``unknown_symbol`` when no instrument is configured for it, ``too_many_symbols`` when no
            place is left for it, and what the engine refuses.
        """
        engine = self._by_symbol.get(record.symbol)
        if engine is None:
            engine = self._admitted(record.symbol, offset)
        return engine.apply(record, offset)

    def check(self, record: LogRecord) -> None:
        """Check what does not depend on earlier records; see `apply`. It admits no symbol."""
        engine = self._for_checks(record.symbol)
        if engine is None:
            self._stand_in.check(record)
        else:
            engine.check(record)

    def meet(self, record: LogRecord, offset: int) -> None:
        """Give the symbol of a record its place though the record itself is not applied.

        Raises
        ------
        RecordRejected
            When the symbol is not accepted, or no place is left for it.
        """
        self._refuse_unknown(record.symbol)
        self.admission.admit(record.symbol, offset)

    def _admitted(self, symbol: str, offset: int) -> GroupEngine:
        """Engine of a symbol that is new here."""
        self._refuse_unknown(symbol)
        self.admission.admit(symbol, offset)
        engine = self.group_engine(self._config.group_of(symbol))
        self._by_symbol[symbol] = engine
        return engine

    def _for_checks(self, symbol: str) -> GroupEngine | None:
        """Engine that checks records of a symbol; None: one stands for all that have none."""
        engine = self._by_symbol.get(symbol)
        if engine is None:
            self._refuse_unknown(symbol)
            if not self._config.names(symbol):
                self._checked.add(symbol)
                return None
            engine = self.group_engine(self._config.group_of(symbol))
            self._by_symbol[symbol] = engine
        return engine

    def _refuse_unknown(self, symbol: str) -> None:
        if self._config.instrument(symbol) is None:
            raise RecordRejected("unknown_symbol", f"symbol {symbol!r} is not configured")

    def _new_engine(self, group: str) -> GroupEngine:
        return GroupEngine(plan_group(self._config, group, self._registry))

    def symbols(self) -> list[str]:
        """Symbols that had a record, by name; without those that were too many."""
        return sorted(self._by_symbol)

    def met(self) -> set[str]:
        """Symbols that had a record, and those of which one was only checked."""
        return {*self._by_symbol, *self._checked}

    def plan(self, symbol: str) -> InstrumentPlan:
        """Plan of a symbol that is accepted; of one that is not configured, under another name."""
        engine = self._for_checks(symbol)
        if engine is None:
            return self._stand_in.plan(symbol)
        return next(each for each in engine.plan.instruments if each.symbol == symbol)

    def counters(self, symbol: str) -> dict[str, int]:
        """What became of the records of a symbol that had a record; see `GroupEngine.counters`."""
        return self._by_symbol[symbol].counters(symbol)

    def swings_by_class(self, symbol: str) -> dict[int, int]:
        """Swings of a symbol that had a record; see `GroupEngine.swings_by_class`."""
        return self._by_symbol[symbol].swings_by_class(symbol)

    def held(self, symbol: str) -> GroupEngine | None:
        """Engine of a symbol that is configured, or has a place; None of any other."""
        group = self._config.group_of(symbol)
        return self.group_engine(group) if self.admission.holds(symbol) else None

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
                engine = self._for_checks(symbol)
            except RecordRejected:
                return start_ms + MINUTE_MS
            if engine is None:
                return self._stand_in.slot_end_ms(symbol, start_ms)
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

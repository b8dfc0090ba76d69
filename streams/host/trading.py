"""What strategies did becomes events: signals, decisions, orders, ends of signals, faults."""

from __future__ import annotations

import re
from collections.abc import Collection

from msgspec import Struct

from tapeline.schemas.config.model import Config
from tapeline.schemas.host_events import (
    CloseReason,
    Decision,
    Fill,
    HostEvent,
    IssuedSignal,
    RecordRef,
    RunState,
    SignalState,
    StrategyState,
)
from tapeline.schemas.ids import strategy_id
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.schemas.intervals import parse_interval
from tapeline.schemas.records import Bar
from tapeline.streams.core.ticks import TickScale
from tapeline.streams.host.accounts.accounts import Accounts
from tapeline.streams.host.accounts.model import Holding, RecordTime, SignalMarket
from tapeline.streams.host.emission import TradedSymbol
from tapeline.streams.host.errors import SetupError
from tapeline.streams.host.market import Market
from tapeline.streams.host.plan import LoadedStrategy
from tapeline.streams.host.running import RunningStrategy
from tapeline.streams.host.session_dates import SessionDates
from tapeline.streams.host.signals import KeptSignal, SignalBook

MOST_ERROR = 500
"""Characters of a message that is published."""
_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")


class StrategyName(Struct, frozen=True):
    """What is published of a strategy itself."""

    name: str
    account: str
    version: str
    unsafe: bool


def name_of(loaded: LoadedStrategy) -> StrategyName:
    """What is published of a strategy itself."""
    return StrategyName(loaded.name, loaded.account, loaded.version, loaded.unsafe)


class Trading:
    """Signals and accounts of a host, and the events of the record under way.

    Attributes
    ----------
    out
        Events of the record, in their order.
    time_ms
        Market time: the greatest watermark of all symbols.
    step, partition, offset
        Of the record.
    is_marked
        Whether a strategy marked it.
    """

    def __init__(
        self, config: Config, strategies: Collection[LoadedStrategy], market: Market
    ) -> None:
        self.out: list[HostEvent] = []
        self.time_ms = FAR_PAST_MS
        self.step = 0
        self.partition = 0
        self.offset = 0
        self.is_marked = False
        self.book = SignalBook()
        self.market = market
        self._traded: dict[str, TradedSymbol] = {}
        self._dates: dict[str, SessionDates] = {}
        symbols: dict[str, set[str]] = {}
        for each in strategies:
            used = symbols.setdefault(each.account, set())
            used.update(each.needs.symbols or each.symbols)
        for symbol in sorted({symbol for used in symbols.values() for symbol in used}):
            self._traded[symbol] = _traded(config, symbol, market)
            self._dates[symbol] = SessionDates(market.calendar(symbol))
        self._symbols = symbols
        self.accounts = Accounts(
            config,
            sorted(symbols),
            {account: sorted(used) for account, used in symbols.items()},
            market=market,
        )

    # What a call asks.

    def now_ms(self) -> int:
        """Market time."""
        return self.time_ms

    def watermark_ms(self, symbol: str) -> int | None:
        """Watermark of a symbol."""
        return self.market.watermark_ms(symbol)

    def session_of(self, symbol: str, instant_ms: int) -> str | None:
        """ISO date of the session that holds an instant, or of the next one."""
        return self._dates[symbol].date(instant_ms)

    def dates(self, symbol: str) -> SessionDates:
        """Sessions of a symbol."""
        return self._dates[symbol]

    def traded(self, symbol: str) -> TradedSymbol:
        """What signals of a symbol are checked with."""
        return self._traded[symbol]

    def is_issued(self, strategy: str, signal: str) -> bool:
        """Whether a signal is that strategy's, and issued."""
        kept = self.book.get(signal)
        return kept is not None and kept.strategy == strategy and kept.event.state == "issued"

    def mark(self) -> None:
        """Mark the record."""
        self.is_marked = True

    def position(self, account: str, symbol: str) -> Holding:
        """What an account holds of a symbol."""
        return self.accounts.position(account, symbol)

    def issued_by(self, strategy: str, symbol: str | None) -> list[IssuedSignal]:
        """Issued signals of a strategy, of a symbol or of all, oldest first."""
        return [kept.event for kept in self.book.issued_by(strategy, symbol)]

    def follows(self, account: str, symbol: str) -> bool:
        """Whether strategies of an account follow a symbol."""
        return symbol in self._symbols.get(account, ())

    def instant(self, symbol: str) -> RecordTime:
        """The record as a symbol sees it."""
        watermark_ms = self.market.watermark_ms(symbol)
        if watermark_ms is None:
            return RecordTime(self.time_ms, self.time_ms, None, self.step)
        return RecordTime(
            self.time_ms, watermark_ms, self._dates[symbol].date(watermark_ms), self.step
        )

    # What the record does by itself.

    def expire(self, symbol: str, instant_ms: int) -> list[IssuedSignal]:
        """Close the signals of a symbol that are valid no more."""
        found = self.book.expired(symbol, instant_ms)
        for kept in found:
            self.close(kept, "expired", "expired", "expired")
        self.book.look_for_expiry(symbol)
        return [kept.event for kept in found]

    def fill(self, symbol: str, bar: Bar, watermark_ms: int) -> list[Fill]:
        """Hand accounts a bar in order and in session; what it filled."""
        session = self._dates[symbol].date(watermark_ms)
        at = RecordTime(self.time_ms, watermark_ms, session, self.step)
        events = self.accounts.bar(symbol, bar, at)
        if not events:
            return []
        self.out += events
        return [event for event in events if isinstance(event, Fill)]

    def close_session(self, symbol: str, session: str) -> None:
        """A session of a symbol closed: accounts publish what they hold."""
        self.out += self.accounts.close(symbol, session, self.instant(symbol))

    # What a call did.

    def write(self, running: RunningStrategy) -> list[Decision]:
        """Publish what a call emitted; the decisions on it."""
        decisions: list[Decision] = []
        emitted = running.emitted
        running.emitted = []
        for each in emitted:
            if each.closes is not None:
                kept = self.book.get(each.closes)
                assert kept is not None, "the call was refused what it cannot close"
                replaced = each.signal is not None
                self.close(
                    kept,
                    "replaced" if replaced else "cancelled",
                    "replaced" if replaced else "strategy",
                    each.reason,
                )
            if each.signal is not None:
                signal = each.signal
                symbol = str(signal.symbol)
                self.out.append(signal)
                known = SignalMarket(
                    muted=signal.muted,
                    cold=running.cold_keys(symbol),
                    stale_slots=self._stale_slots(symbol, signal.watermark_ms),
                    quality=self.market.quality(symbol),
                    tif=each.tif,
                )
                placed = self.accounts.place(signal, known, self.instant(symbol))
                self.out += placed
                kept = KeptSignal(signal)
                for event in placed:
                    if isinstance(event, Decision):
                        kept.approved = event.approved
                        decisions.append(event)
                self.book.add(kept)
        return decisions

    def _stale_slots(self, symbol: str, watermark_ms: int) -> int:
        """Open slots of the symbol's calendar between its watermark and market time."""
        if watermark_ms >= self.time_ms:
            return 0
        traded = self._traded[symbol]
        return traded.calendar.count_slots(watermark_ms, self.time_ms, traded.base_ms)

    def close(
        self, kept: KeptSignal, state: SignalState, reason: CloseReason, order_reason: str
    ) -> None:
        """Close an issued signal, and cancel its working entry."""
        at = self.instant(kept.symbol)
        self.out.append(self.book.close(kept, state, reason, at))
        self.out += self.accounts.cancel_entry(kept.event.id, order_reason, at)

    def close_all(self, strategy: str, reason: CloseReason) -> None:
        """Close all issued signals of a strategy."""
        for kept in self.book.issued_by(strategy):
            self.close(kept, "cancelled", reason, reason)

    def fault(self, loaded: LoadedStrategy, error: Exception) -> None:
        """A strategy failed: publish it, close its signals, and its positions as configured."""
        self.strategy_fact(name_of(loaded), "faulted", error)
        self.close_all(loaded.name, "strategy_fault")
        if loaded.on_fault == "flatten":
            at = self.instant(min(self._symbols[loaded.account]))
            self.out += self.accounts.flatten(loaded.account, loaded.name, self.step, at)

    def strategy_fact(
        self, named: StrategyName, state: RunState, error: Exception | None = None
    ) -> None:
        """Publish that a strategy runs, failed, or is disabled."""
        symbols = self._symbols.get(named.account)
        session = self.instant(min(symbols)).session if symbols else None
        self.out.append(
            StrategyState(
                id=strategy_id(named.name),
                op="upsert",
                seq=0,
                rev=0,
                symbol=None,
                session=session,
                event_ms=self.time_ms,
                watermark_ms=self.time_ms,
                corrects=None,
                account=named.account,
                strategy=named.name,
                cause={},
                version=named.version,
                state=state,
                step=self.step,
                error_type=None if error is None else type(error).__name__,
                error=None if error is None else message_of(error),
                record=None if error is None else RecordRef(self.partition, self.offset),
                unsafe=named.unsafe,
            )
        )


def message_of(error: Exception) -> str:
    """The message of an error without what differs between two processes."""
    try:
        text = str(error)
    except Exception as other:  # an exception of a strategy may be broken itself
        text = f"its message failed: {type(other).__name__}"
    cleaned = _ADDRESS.sub("0x", text.encode("utf-8", "replace").decode())
    return cleaned[:MOST_ERROR]


def _traded(config: Config, symbol: str, market: Market) -> TradedSymbol:
    instrument = config.instrument(symbol)
    if instrument is None:
        raise SetupError(f"symbol {symbol} of a strategy is not configured")
    return TradedSymbol(
        TickScale(instrument.tick, instrument.negative_prices),
        market.calendar(symbol),
        parse_interval(instrument.base).length_ms,
    )

"""A desk for tests of accounts: it hands bars and signals over, and keeps what was published.

Symbols trade around the clock in ticks of 1 worth 1, so that prices, ticks and money read alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from tapeline.schemas.config.accounts import AccountConfig, ContractConfig
from tapeline.schemas.config.model import Config, InstrumentConfig, built_in_config
from tapeline.schemas.host_events import (
    Account,
    Action,
    Decision,
    Fill,
    IssuedSignal,
    Order,
    OrderKind,
    Position,
)
from tapeline.schemas.ids import signal_id
from tapeline.schemas.records import Bar
from tapeline.streams.calendars import load_calendar
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.host.accounts.accounts import Accounts
from tapeline.streams.host.accounts.model import RecordTime, SignalMarket

MINUTE = 60_000
START = 1_704_067_200_000
"""2024-01-01T00:00Z, a Monday."""
GOOD = SignalMarket(muted=None, cold=0, stale_slots=0, quality=100.0)
CALENDAR = load_calendar("24/7")

Published = Decision | Order | Fill | Position | Account


class Wanted(NamedTuple):
    """What a signal asks for."""

    action: Action = "buy"
    quantity: int | None = 10
    order: OrderKind = "market"
    price: float | None = None
    stop: float | None = None
    target: float | None = None
    confidence: float = 1.0
    valid_bars: int = 1000


PLAIN = Wanted()


class StandingMarket:
    """Symbols whose watermark is that of their last bar."""

    def __init__(self, calendars: Mapping[str, Calendar]) -> None:
        self.calendars = calendars
        self.watermarks: dict[str, int] = {}
        self.qualities: dict[str, float | None] = {}

    def watermark_ms(self, symbol: str) -> int | None:
        return self.watermarks.get(symbol)

    def quality(self, symbol: str) -> float | None:
        return self.qualities.get(symbol, 100.0)

    def calendar(self, symbol: str) -> Calendar:
        return self.calendars.get(symbol, CALENDAR)


def config_of(
    account: AccountConfig,
    symbols: Mapping[str, InstrumentConfig] | None = None,
    contracts: Mapping[str, ContractConfig] | None = None,
) -> Config:
    """Symbols A and B of tick 1 and account ``default``, unless others are given."""
    plain = InstrumentConfig(tick="1", calendar="24/7")
    built_in = built_in_config()
    return replace(
        built_in,
        instruments=dict(symbols or {"A": plain, "B": plain}),
        groups={},
        contracts={**built_in.contracts, **(contracts or {})},
        accounts={"default": account, "other": account},
    )


class Desk:
    """Accounts, the market that they ask, and a market time that never goes back."""

    def __init__(
        self,
        account: AccountConfig | None = None,
        config: Config | None = None,
        names: tuple[str, ...] = ("default",),
        calendars: Mapping[str, Calendar] | None = None,
        symbols: tuple[str, ...] = ("A", "B"),
    ) -> None:
        chosen = AccountConfig(slippage_ticks=0) if account is None else account
        self.config = config_of(chosen) if config is None else config
        self.market = StandingMarket(calendars or {})
        self._names = names
        self.symbols = symbols
        self.accounts = self._made()
        self.now_ms = START
        self.published: list[Published] = []
        self.signals: list[IssuedSignal] = []
        self.state: dict[str, Any] = {}
        self._numbers: dict[tuple[str, str, int], int] = {}

    def _made(self) -> Accounts:
        symbols = dict.fromkeys(self._names, self.symbols)
        return Accounts(self.config, self._names, symbols, market=self.market)

    def restart(self) -> None:
        """The same accounts made anew from their state, as JSON."""
        self.state.update(self.accounts.changed())
        self.accounts = self._made()
        self.accounts.restore(json.loads(json.dumps(self.state)))

    def instant(self, symbol: str) -> RecordTime:
        watermark_ms = self.market.watermarks.get(symbol, self.now_ms)
        index = self.market.calendar(symbol).session_of(watermark_ms)
        date = self.market.calendar(symbol).date(index)
        return RecordTime(self.now_ms, watermark_ms, date, 0)

    def bar(
        self, minute: int, prices: tuple[float, float, float, float], symbol: str = "A"
    ) -> list[Published]:
        """A bar in order: entries of signals that it finds expired end, as a host ends them."""
        start_ms = START + minute * MINUTE
        self.market.watermarks[symbol] = start_ms + MINUTE
        self.now_ms = max(self.now_ms, start_ms + MINUTE)
        now = self.instant(symbol)
        bar = Bar(symbol, "1m", start_ms, *prices)
        found: list[Published] = []
        for signal in [each for each in self.signals if each.symbol == symbol]:
            if signal.valid_until_ms <= start_ms:
                self.signals.remove(signal)
                found += self.accounts.cancel_entry(signal.id, "expired", now)
        found += self.accounts.bar(symbol, bar, now)
        self.published += found
        return found

    def signal(
        self,
        wanted: Wanted = PLAIN,
        symbol: str = "A",
        market: SignalMarket = GOOD,
        strategy: str = "s",
        account: str = "default",
    ) -> list[Published]:
        """A signal at the present market time."""
        issued = self.issued(wanted, symbol, market, strategy, account)
        self.signals.append(issued)
        found: list[Published] = [*self.accounts.place(issued, market, self.instant(symbol))]
        self.published += found
        return found

    def issued(
        self,
        wanted: Wanted,
        symbol: str = "A",
        market: SignalMarket = GOOD,
        strategy: str = "s",
        account: str = "default",
    ) -> IssuedSignal:
        """The signal as a host would publish it."""
        now = self.instant(symbol)
        named = (strategy, symbol, now.ms)
        number = self._numbers.get(named, 0)
        self._numbers[named] = number + 1
        return IssuedSignal(
            id=signal_id(strategy, symbol, now.ms, number),
            op="upsert",
            seq=0,
            rev=0,
            symbol=symbol,
            session=now.session,
            event_ms=now.ms,
            watermark_ms=now.watermark_ms,
            corrects=None,
            account=account,
            strategy=strategy,
            cause={},
            version="0" * 12,
            action=wanted.action,
            order=wanted.order,
            quantity=wanted.quantity,
            price=wanted.price,
            stop=wanted.stop,
            target=wanted.target,
            confidence=wanted.confidence,
            interval="1m",
            bar_ms=None,
            reason="",
            metadata={},
            inputs=(),
            spans=(),
            inputs_truncated=False,
            group=None,
            replaces=None,
            valid_until_ms=now.watermark_ms + wanted.valid_bars * MINUTE,
            muted=market.muted,
            state="issued",
            closed_ms=None,
            close_reason=None,
        )

    def long(self, wanted: Wanted = PLAIN, price: float = 100) -> None:
        """A position that was bought at a price, in minute 1."""
        self.bar(0, (price, price, price, price))
        self.signal(wanted)
        self.bar(1, (price, price, price, price))


def fills(events: list[Published]) -> list[Fill]:
    return [event for event in events if isinstance(event, Fill)]


def orders(events: list[Published]) -> list[tuple[str, str, str | None]]:
    """Of each event of an order what it is for, its state and reason."""
    return [
        (event.id.rsplit("|", 1)[1], event.state, event.reason)
        for event in events
        if isinstance(event, Order)
    ]


def decision(events: list[Published]) -> Decision:
    (found,) = [event for event in events if isinstance(event, Decision)]
    return found


def account_event(events: list[Published]) -> Account:
    (found,) = [event for event in events if isinstance(event, Account)]
    return found


def position_event(events: list[Published]) -> Position:
    (found,) = [event for event in events if isinstance(event, Position)]
    return found

"""All paper accounts of a host: what signals, bars and closes do to them.

Nothing here reads a clock, a file or the network, and nothing moves but by these calls. What an
account keeps is plain data (`changed`, `restore`). Rules: docs/rules.md 20 and 21.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from tapeline.schemas.config.accounts import account_decimals, in_units
from tapeline.schemas.config.model import Config
from tapeline.schemas.host_events import (
    Account,
    Decision,
    Fill,
    IssuedSignal,
    Order,
    Position,
    TradingState,
)
from tapeline.schemas.ids import parsed_id, split_state_key, state_key
from tapeline.schemas.records import Bar
from tapeline.streams.core.ticks import TickScale
from tapeline.streams.host.accounts.execution import BarExecution
from tapeline.streams.host.accounts.fills import BarTicks
from tapeline.streams.host.accounts.ledger import AccountStateError, Contract, SymbolLedger
from tapeline.streams.host.accounts.model import (
    AccountRecord,
    FilledBar,
    Holding,
    LedgerRecord,
    RecordTime,
    SignalMarket,
    WorkingOrder,
    session_date,
)
from tapeline.streams.host.accounts.money import MoneyUnit
from tapeline.streams.host.accounts.orders import OrderEvents, fault_order
from tapeline.streams.host.accounts.paper import PaperAccount
from tapeline.streams.host.accounts.placing import place_signal
from tapeline.streams.host.market import Market

STATE_PREFIX = "account"
"""First part of the keys of the state records of accounts."""


class Accounts:
    """Paper accounts by name.

    Events come without `seq`, `rev` and `cause`: the host numbers them. Of one record a position
    or an account may come more than once, and the last one counts.

    Parameters
    ----------
    config
        Validated; it holds the accounts and what a lot of each symbol is worth.
    names
        Of the accounts.
    symbols
        Symbols of each account.
    market
        Asked for quality at a fill, for sessions, and for the watermark of other symbols.

    Raises
    ------
    AccountMoneyError
        When an account cannot count the money of its symbols.
    """

    def __init__(
        self,
        config: Config,
        names: Sequence[str],
        symbols: Mapping[str, Sequence[str]],
        *,
        market: Market,
    ) -> None:
        self._market = market
        self._accounts: dict[str, PaperAccount] = {}
        self._by_symbol: dict[str, list[tuple[PaperAccount, SymbolLedger]]] = {}
        scales: dict[str, TickScale] = {}
        for name in sorted(names):
            account = _account(config, name, sorted(set(symbols.get(name, ()))), scales)
            self._accounts[name] = account
            for symbol, ledger in account.ledgers.items():
                self._by_symbol.setdefault(symbol, []).append((account, ledger))

    def bar(
        self, symbol: str, bar: Bar, now: RecordTime
    ) -> list[Order | Fill | Position | Account]:
        """A bar in order and in session: orders fill, marks and counters move.

        Neither a late bar nor one off session is handed over: nothing moves by them.
        """
        found: list[Order | Fill | Position | Account] = []
        for account, ledger in self._by_symbol.get(symbol, ()):
            ticks = ledger.contract.scale.ticks
            account.mark(ledger, ticks(bar.close))
            if ledger.working or ledger.exits:
                prices = BarTicks(
                    ticks(bar.open), ticks(bar.high), ticks(bar.low), ticks(bar.close)
                )
                run = BarExecution(account, ledger, prices, bar.start_ms, now, self._market)
                found += run.run()
                account.halt_if_ruined()
                if run.traded:
                    found.append(self._account_event(account, bar.start_ms, now))
            elif ledger.lots.quantity:
                account.halt_if_ruined()
        return found

    def place(
        self, signal: IssuedSignal, market: SignalMarket, now: RecordTime
    ) -> list[Decision | Order]:
        """The decision on a signal, then the orders that it leads to.

        Raises
        ------
        KeyError
            When its account does not know its symbol.
        """
        account = self._accounts[str(signal.account)]
        return place_signal(account, account.ledgers[str(signal.symbol)], signal, market, now)

    def cancel_entry(self, signal_id: str, reason: str, now: RecordTime) -> list[Order]:
        """Cancel the working entry of a signal; what it closes or has opened stays.

        Parameters
        ----------
        now
            Of the symbol of the signal.
        """
        return [
            _cancelled(account, ledger, order, reason, now)
            for account, ledger in self._ledgers_of(signal_id)
            for order in list(ledger.working)
            if order.signal == signal_id and order.role == "entry"
        ]

    def flatten(self, account: str, strategy: str, step: int, now: RecordTime) -> list[Order]:
        """Close the positions that signals of a strategy opened and that are not closed.

        A position is closed as a whole, also where other strategies of the account hold it.
        """
        found: list[Order] = []
        kept = self._accounts[account]
        for symbol, ledger in kept.ledgers.items():
            position = ledger.lots.quantity
            if position == 0 or strategy not in ledger.exposed.values():
                continue
            order = fault_order(strategy, symbol, position, step, now.ms)
            ledger.working.append(order)
            ledger.changed = True
            watermark_ms = self._market.watermark_ms(symbol)
            at = now
            if watermark_ms is not None:
                session = session_date(self._market.calendar(symbol), watermark_ms)
                at = replace(now, watermark_ms=watermark_ms, session=session)
            found.append(_events(kept, ledger).order(order, at, "working"))
        return found

    def close(self, symbol: str, session: str, now: RecordTime) -> list[Position | Account]:
        """A session of a symbol closed: its positions, and the accounts that it is the first of."""
        found: list[Position | Account] = []
        at = replace(now, session=session)
        for account, ledger in self._by_symbol.get(symbol, ()):
            if ledger.lots.quantity:
                found.append(account.position_event(ledger, at))
            if account.first_symbol == symbol:
                found.append(account.account_event(session, now.ms))
        return found

    def position(self, account: str, symbol: str) -> Holding:
        """What an account holds of a symbol, marked at the last bar in order."""
        return self._accounts[account].ledgers[symbol].holding()

    def state_of(self, account: str) -> TradingState:
        """The state that an account trades in."""
        return self._accounts[account].state

    def is_exposed(self, signal_id: str) -> bool:
        """Whether the entry of a signal filled and its position is not closed."""
        return any(signal_id in ledger.exposed for _, ledger in self._ledgers_of(signal_id))

    def fill_inputs(self, signal_id: str) -> tuple[FilledBar, ...]:
        """Bars that filled orders of a signal, in order."""
        return tuple(
            FilledBar(ledger.contract.symbol, ledger.contract.interval, start_ms)
            for _, ledger in self._ledgers_of(signal_id)
            for start_ms in ledger.filled.get(signal_id, ())
        )

    def forget(self, signal_id: str) -> None:
        """Drop the bars of `fill_inputs` of a signal that has no more notes."""
        for _, ledger in self._ledgers_of(signal_id):
            if ledger.filled.pop(signal_id, None) is not None:
                ledger.changed = True

    def changed(self) -> dict[str, Any]:
        """State records that differ since the last call, as plain data by key."""
        found: dict[str, Any] = {}
        for name, account in self._accounts.items():
            if account.changed:
                account.changed = False
                found[state_key(STATE_PREFIX, name)] = msgspec.to_builtins(account.record())
            for symbol, ledger in account.ledgers.items():
                if ledger.changed:
                    ledger.changed = False
                    record = msgspec.to_builtins(ledger.record())
                    found[state_key(STATE_PREFIX, state_key(name, symbol))] = record
        return found

    def restore(self, records: Mapping[str, Any]) -> None:
        """Go on from the records of a state; keys of others are passed over.

        Raises
        ------
        AccountStateError
            When the configuration has no place for a position or an order of the state.
        """
        for key, record in records.items():
            prefix, rest = split_state_key(key)
            name, symbol = split_state_key(rest)
            account = self._accounts.get(name)
            if prefix != STATE_PREFIX or account is None:
                continue
            if not symbol:
                account.take(msgspec.convert(record, AccountRecord))
                continue
            taken = msgspec.convert(record, LedgerRecord)
            ledger = account.ledgers.get(symbol)
            if ledger is not None:
                ledger.take(taken)
            elif taken.quantity or taken.working:
                raise AccountStateError(
                    f"account {name} holds {taken.quantity} lots of {symbol}, which no strategy"
                    " of it names any more: name it, until the position is closed"
                )
        for account in self._accounts.values():
            account.add_up()

    def _ledgers_of(self, signal_id: str) -> list[tuple[PaperAccount, SymbolLedger]]:
        """Where the orders of a signal may be."""
        symbol = parsed_id(signal_id).rest[0]
        return self._by_symbol.get(symbol, [])

    def _account_event(self, account: PaperAccount, start_ms: int, now: RecordTime) -> Account:
        first = account.first_symbol
        assert first is not None, "an account that fills has a symbol"
        session = session_date(self._market.calendar(first), start_ms)
        return account.account_event(str(session), now.ms)


def _account(
    config: Config, name: str, symbols: list[str], scales: dict[str, TickScale]
) -> PaperAccount:
    settings = config.accounts[name]
    worth = config.tick_values(symbols)
    decimals = account_decimals(settings, worth)
    contracts: list[Contract] = []
    for symbol, (value, _) in worth.items():
        instrument = config.instrument(symbol)
        units = in_units(value, decimals)
        assert instrument is not None, "it has a tick"
        assert units is not None, "decimals were found for it"
        any_sign = instrument.negative_prices
        if symbol not in scales:
            scales[symbol] = TickScale(instrument.tick, any_sign)
        contracts.append(Contract(symbol, instrument.base, scales[symbol], units, any_sign))
    return PaperAccount(name, settings, MoneyUnit(decimals), contracts)


def _events(account: PaperAccount, ledger: SymbolLedger) -> OrderEvents:
    return OrderEvents(account.name, ledger.contract.symbol, ledger.contract.scale)


def _cancelled(
    account: PaperAccount, ledger: SymbolLedger, order: WorkingOrder, reason: str, now: RecordTime
) -> Order:
    ledger.working.remove(order)
    ledger.changed = True
    return _events(account, ledger).order(order, now, "cancelled", reason)

"""One paper account: its money, the state that it trades in, and the events of both."""

from __future__ import annotations

from decimal import Decimal

from tapeline.schemas.config.accounts import AccountConfig, in_units
from tapeline.schemas.host_events import Account, Position, TradingState
from tapeline.schemas.ids import account_id, position_id
from tapeline.streams.core.ratio import ratio
from tapeline.streams.host.accounts.decisions import Limits
from tapeline.streams.host.accounts.ledger import Contract, SymbolLedger, rescaled
from tapeline.streams.host.accounts.model import AccountRecord, RecordTime
from tapeline.streams.host.accounts.money import Commission, MoneyUnit, is_countable


class PaperAccount:
    """Money of an account over its symbols; amounts are whole units (docs/rules.md 21.2, 21.11).

    Attributes
    ----------
    ledgers
        By symbol, in order of name.
    peak
        Greatest equity at events of the account, and the cash that it began with.
    trades
        How often a position came to zero, or through it.
    ruined
        Whether no equity was left once: nothing opens or closes from then on.
    """

    def __init__(
        self, name: str, settings: AccountConfig, unit: MoneyUnit, contracts: list[Contract]
    ) -> None:
        self.name = name
        self.settings = settings
        self.unit = unit
        self.commission_of = Commission(settings, unit)
        self.limits = Limits(settings, unit)
        ordered = sorted(contracts, key=lambda contract: contract.symbol)
        self.ledgers = {each.symbol: SymbolLedger(each, unit) for each in ordered}
        start = in_units(Decimal(settings.cash), unit.decimals)
        assert start is not None, "the configuration was checked"
        self._start = start
        self.peak = start
        self.trades = 0
        self.ruined = False
        self.changed = False
        self._realised = 0
        self._commission = 0
        self._open = 0

    @property
    def first_symbol(self) -> str | None:
        """The symbol whose sessions are those of the account."""
        return next(iter(self.ledgers), None)

    @property
    def equity(self) -> int:
        """Cash and the result of what is open, at the marks."""
        return self._start + self._realised - self._commission + self._open

    @property
    def state(self) -> TradingState:
        """As configured; ``halted`` once no equity was left."""
        return "halted" if self.ruined else self.settings.state

    def drawdown(self) -> float:
        """Share of the peak that is lost, 0 if none; 1 where there was no peak above zero."""
        lost = self.peak - self.equity
        if lost <= 0:
            return 0.0
        return ratio(lost, self.peak) if self.peak > 0 else 1.0

    def mark(self, ledger: SymbolLedger, ticks: int) -> None:
        """The next bar of a symbol closed."""
        ledger.bars += 1
        ledger.mark = ticks
        ledger.changed = True
        if ledger.lots.quantity:
            self._open += ledger.reopen()

    def can_trade(self, ledger: SymbolLedger, signed: int, ticks: int, commission: int) -> bool:
        """Whether equity can be counted after a fill."""
        mark = ticks if ledger.mark is None else ledger.mark
        won = signed * ledger.value(mark - ticks)
        return is_countable(self.equity + won - commission)

    def trade(
        self, ledger: SymbolLedger, signed: int, ticks: int, commission: int, fill_ms: int
    ) -> bool:
        """Book a fill; whether the position came to zero, or through it."""
        lots = ledger.lots
        before = lots.realised
        ended = lots.trade(signed, ledger.value(ticks), fill_ms)
        lots.commission += commission
        self._realised += lots.realised - before
        self._commission += commission
        self._open += ledger.reopen()
        if ended:
            self.trades += 1
            ledger.flat_bar = ledger.bars
        ledger.changed = self.changed = True
        return ended

    def halt_if_ruined(self) -> None:
        """No equity left: from here on the account is halted."""
        if not self.ruined and self.equity <= 0:
            self.ruined = self.changed = True

    def position_event(self, ledger: SymbolLedger, at: RecordTime) -> Position:
        """The position in a symbol."""
        symbol = ledger.contract.symbol
        held = ledger.holding()
        return Position(
            id=position_id(self.name, symbol),
            op="upsert",
            seq=0,
            rev=0,
            symbol=symbol,
            session=at.session,
            event_ms=at.ms,
            watermark_ms=at.watermark_ms,
            corrects=None,
            account=self.name,
            strategy=None,
            cause={},
            quantity=held.quantity,
            cost=held.cost,
            realised=held.realised,
            commission=held.commission,
            opened_ms=held.opened_ms,
            marked_price=held.marked_price,
            open=held.open,
        )

    def account_event(self, session: str, event_ms: int) -> Account:
        """The account as a whole; a new peak counts from here on.

        Parameters
        ----------
        session
            ISO date of a session of the first symbol.
        """
        equity = self.equity
        if equity > self.peak:
            self.peak = equity
            self.changed = True
        ledgers = self.ledgers.values()
        exposure = 0
        positions = 0
        for ledger in ledgers:
            quantity, mark = ledger.lots.quantity, ledger.mark
            if quantity and mark is not None:
                positions += 1
                exposure += ledger.notional(quantity, mark)
        number = self.unit.number
        return Account(
            id=account_id(self.name, session),
            op="upsert",
            seq=0,
            rev=0,
            symbol=None,
            session=session,
            event_ms=event_ms,
            watermark_ms=event_ms,
            corrects=None,
            account=self.name,
            strategy=None,
            cause={},
            currency=self.settings.currency,
            cash=number(self._start + self._realised - self._commission),
            equity=number(equity),
            realised=number(self._realised),
            open=number(self._open),
            commission=number(self._commission),
            exposure=number(exposure),
            positions=positions,
            trades=self.trades,
            drawdown=number(self.peak - equity),
            state=self.state,
        )

    def record(self) -> AccountRecord:
        """What is not of one symbol, for the state."""
        return AccountRecord(
            decimals=self.unit.decimals, peak=self.peak, trades=self.trades, ruined=self.ruined
        )

    def take(self, record: AccountRecord) -> None:
        """Go on from a record.

        Raises
        ------
        AccountStateError
            When the unit of the account became coarser than its peak.
        """
        self.peak = rescaled(record.peak, record.decimals, self.unit.decimals)
        self.trades = record.trades
        self.ruined = record.ruined

    def add_up(self) -> None:
        """Sums over all symbols, after their records were taken."""
        self._realised = self._commission = self._open = 0
        for ledger in self.ledgers.values():
            self._realised += ledger.lots.realised
            self._commission += ledger.lots.commission
            self._open += ledger.open

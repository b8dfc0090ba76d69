"""What goes in and out of accounts, and the records of their state."""

from __future__ import annotations

from msgspec import Struct

from tapeline.schemas.host_events import OrderKind, OrderSide, TimeInForce
from tapeline.schemas.ids import OrderRole
from tapeline.streams.core.calendar import Calendar


def session_date(calendar: Calendar, instant_ms: int) -> str | None:
    """ISO date of the session that holds an instant, or of the next one; None if none follows."""
    index = calendar.session_of(instant_ms)
    return calendar.date(index) if calendar.has_session(index) else None


class RecordTime(Struct, frozen=True, gc=False):
    """When a record is handled, for the common fields of what it leads to.

    Attributes
    ----------
    ms
        Market time of the host.
    watermark_ms
        Watermark of the symbol.
    session
        ISO date of the session of that watermark; None behind the calendar's last one.
    step
        Of the host.
    """

    ms: int
    watermark_ms: int
    session: str | None
    step: int


class SignalMarket(Struct, frozen=True, gc=False):
    """What is known about the symbol of a signal at its issue.

    Attributes
    ----------
    muted
        Why signals of the strategy are rejected; None: they are not.
    cold
        Keys of indicators that the strategy needs and that have no value yet.
    stale_slots
        Open slots of the symbol's calendar between its watermark and the market time.
    quality
        As `Market.quality`.
    tif
        Of the entry order: ``bars`` where the signal's validity was given in bars.
    """

    muted: str | None
    cold: int
    stale_slots: int
    quality: float | None
    tif: TimeInForce = "session"


class Holding(Struct, frozen=True, gc=False):
    """What an account holds of a symbol: the fields of its position, as of now.

    Attributes
    ----------
    quantity
        Lots, negative if short.
    cost, realised, commission, open
        Money in the currency of the account, as in the event.
    opened_ms, marked_price
        None if flat.
    """

    quantity: int
    cost: float
    realised: float
    commission: float
    opened_ms: int | None
    marked_price: float | None
    open: float


class FilledBar(Struct, frozen=True, gc=False):
    """A base bar that filled an order of a signal, by its label."""

    symbol: str
    interval: str
    start_ms: int


class WorkingOrder(Struct, frozen=True, gc=False):
    """An order that waits for a bar.

    Attributes
    ----------
    role
        What it is for: the last part of its id.
    ticks
        Price of a limit or stop.
    valid_until_ms
        Of an entry: a bar that starts at or after it does not fill it.
    stop, target
        Of an entry, in ticks: prices of the orders that its fill places.
    """

    id: str
    signal: str | None
    strategy: str
    role: OrderRole
    side: OrderSide
    kind: OrderKind
    quantity: int
    ticks: int | None
    tif: TimeInForce
    placed_ms: int
    valid_until_ms: int | None = None
    stop: int | None = None
    target: int | None = None

    @property
    def signed(self) -> int:
        """Lots, negative where it sells."""
        return self.quantity if self.side == "buy" else -self.quantity


class AccountRecord(Struct, frozen=True):
    """State of an account beside its symbols; amounts in units of 10^-decimals."""

    decimals: int
    peak: int
    trades: int
    ruined: bool


class LedgerRecord(Struct, frozen=True):
    """State of an account in one symbol; amounts in units of 10^-decimals."""

    decimals: int
    quantity: int
    cost: int
    realised: int
    commission: int
    opened_ms: int | None
    mark: int | None
    bars: int
    flat_bar: int | None
    stop_bars: list[int]
    working: list[WorkingOrder]
    exits: list[WorkingOrder]
    exposed: dict[str, str]
    filled: dict[str, list[int]]

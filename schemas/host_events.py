"""Events of strategies and their paper accounts, one struct a type; field order is wire order.

A host of strategies publishes them as it folds the log. They follow from the log, the code of the
strategies and the configuration; none is ever taken back. Every one begins with

``id``
    Natural and deterministic key (schemas.ids).
``op``
    ``upsert``.
``seq``
    Step of the host x 1,000,000 + index among what the record led to. In files and stores the step
    is the offset of the record, and the index begins at 500,000.
``rev``
    0; of a note +1 each time the same bar is corrected again.
``symbol``
    None: of a strategy, or of an account as a whole.
``session``
    ISO date. Of orders, fills, positions and accounts the session that holds the bar, or that
    closes; of signals, decisions and notes that of the symbol's watermark. None between sessions
    of a calendar that has no more of them.
``event_ms``
    The host's market time at the record: the greatest watermark of all its symbols. It may exceed
    `watermark_ms`, where the symbol is behind others.
``watermark_ms``
    Watermark of the symbol; without a symbol `event_ms`.
``corrects``
    start_ms of the corrected bar, of notes alone.
``account``, ``strategy``
    Names in the configuration; None where it is of none.
``cause``
    Offset of the record by partition.

Money is a number in the currency of the account, exact to its unit; prices are decimals in quote
currency, quantities whole lots. Absent values are None (JSON null), never left out.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

HostOp = Literal["upsert"]
Action = Literal["buy", "sell", "close", "hold"]
OrderKind = Literal["market", "limit", "stop"]
SignalState = Literal["issued", "cancelled", "replaced", "expired"]
CloseReason = Literal["strategy", "strategy_fault", "version", "replaced", "expired"]
DecisionCode = Literal[
    "trading_state",
    "muted",
    "cold",
    "stale",
    "quality",
    "quantity",
    "confidence",
    "buying_power",
    "per_trade",
    "per_symbol",
    "positions",
    "cooldown",
    "drawdown",
    "stop_guard",
]
"""Checks of a decision, in their order; the first that fails gives the code."""
OrderSide = Literal["buy", "sell"]
TimeInForce = Literal["session", "gtc", "bars"]
OrderState = Literal["working", "filled", "cancelled"]
TradingState = Literal["active", "reducing", "halted"]
RunState = Literal["running", "faulted", "disabled"]


class InputRef(Struct, frozen=True, gc=False):
    """A fact that a call read before it emitted, in the version that it read."""

    id: str
    rev: int


class Span(Struct, frozen=True, gc=False):
    """Bars that a call read: those of one symbol and interval in [from_ms, to_ms)."""

    symbol: str
    interval: str
    from_ms: int
    to_ms: int


class NoteField(Struct, frozen=True, gc=False):
    """A field of an input before and after the record that changed it; after a retraction None."""

    id: str
    field: str
    before: Any
    after: Any


class Check(Struct, frozen=True, gc=False):
    """One check of a decision, with what was allowed and what was found."""

    name: DecisionCode
    limit: float | int | str | dict[str, int] | None
    value: float | int | str | None
    pass_: bool = field(name="pass")


class RecordRef(Struct, frozen=True, gc=False):
    """A record of the log by its position."""

    partition: int
    offset: int


class Hosted(Struct, frozen=True, gc=False):
    """What every event of a host begins with."""

    id: str
    op: HostOp
    seq: int
    rev: int
    symbol: str | None
    session: str | None
    event_ms: int
    watermark_ms: int
    corrects: int | None
    account: str | None
    strategy: str | None
    cause: dict[str, int]


class IssuedSignal(Hosted, frozen=True, gc=False, tag_field="type", tag="signal"):
    """What a strategy emitted. Its content is frozen at issue; state and close move on, once."""

    version: str
    action: Action
    order: OrderKind
    quantity: int | None
    price: float | None
    stop: float | None
    target: float | None
    confidence: float
    interval: str | None
    bar_ms: int | None
    reason: str
    metadata: dict[str, Any]
    inputs: tuple[InputRef, ...]
    spans: tuple[Span, ...]
    inputs_truncated: bool
    group: str | None
    replaces: str | None
    valid_until_ms: int
    muted: str | None
    state: SignalState
    closed_ms: int | None
    close_reason: CloseReason | None


class SignalNote(Hosted, frozen=True, gc=False, tag_field="type", tag="note"):
    """A correction changed an input of a signal that still matters."""

    signal: str
    fields: tuple[NoteField, ...]
    input_gone: bool
    state: SignalState
    position: int


class Decision(Hosted, frozen=True, gc=False, tag_field="type", tag="decision"):
    """Whether an account takes a signal: one for each signal, with all its checks."""

    signal: str
    approved: bool
    code: DecisionCode | None
    reason: str | None
    quality: float | None
    quantity: int
    checks: tuple[Check, ...]


class Order(Hosted, frozen=True, gc=False, tag_field="type", tag="order"):
    """Order of a paper account: working, then filled as a whole, or cancelled."""

    signal: str | None
    side: OrderSide
    kind: OrderKind
    quantity: int
    price: float | None
    tif: TimeInForce
    state: OrderState
    placed_ms: int
    closed_ms: int | None
    reason: str | None


class Fill(Hosted, frozen=True, gc=False, tag_field="type", tag="fill"):
    """The fill of an order by one base bar."""

    order: str
    signal: str | None
    side: OrderSide
    quantity: int
    price: float
    fill_ms: int
    bar_ms: int
    delay_ms: int
    slippage_ticks: int
    commission: float
    ambiguous: bool
    quality: float | None


class Position(Hosted, frozen=True, gc=False, tag_field="type", tag="position"):
    """What an account holds of a symbol, after a fill or at a close."""

    quantity: int
    cost: float
    realised: float
    commission: float
    opened_ms: int | None
    marked_price: float | None
    open: float


class Account(Hosted, frozen=True, gc=False, tag_field="type", tag="account"):
    """Money of an account, after a fill or at a close; equity is cash and what is open."""

    currency: str
    cash: float
    equity: float
    realised: float
    open: float
    commission: float
    exposure: float
    positions: int
    trades: int
    drawdown: float
    state: TradingState


class StrategyState(Hosted, frozen=True, gc=False, tag_field="type", tag="strategy"):
    """That a strategy runs, failed, or is disabled."""

    version: str
    state: RunState
    step: int
    error_type: str | None
    error: str | None
    record: RecordRef | None
    unsafe: bool


HostEvent = IssuedSignal | SignalNote | Decision | Order | Fill | Position | Account | StrategyState
"""What strategies and paper accounts publish."""

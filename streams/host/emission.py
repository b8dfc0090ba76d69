"""From what a strategy emits to the signal that is published (docs/rules.md 19.10, 19.11)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final, get_args

from msgspec import Struct

from tapeline.schemas.host_events import Action, InputRef, IssuedSignal, OrderKind, Span
from tapeline.schemas.instants import MINUTE_MS
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.core.ticks import TickScale
from tapeline.streams.host.errors import MemoryRefusedError, SignalError
from tapeline.streams.host.plain_data import MOST_METADATA_BYTES, from_text, plain_text
from tapeline.streams.host.signal import Signal

MOST_REASON: Final = 200
LONGEST_SLOTS: Final = 100_000
LONGEST_MINUTES: Final = 5_256_000
"""Ten years."""
_ACTIONS: Final = get_args(Action)
_ORDERS: Final = get_args(OrderKind)


class TradedSymbol:
    """What the signals of a symbol are checked with."""

    __slots__ = ("base_ms", "calendar", "scale")

    def __init__(self, scale: TickScale, calendar: Calendar, base_ms: int) -> None:
        self.scale = scale
        self.calendar = calendar
        self.base_ms = base_ms

    def end_of(self, start_ms: int) -> int:
        """End of the base bar of a start."""
        return self.calendar.slot_end(start_ms, self.base_ms)


class Issue(Struct, frozen=True):
    """When and by whom a signal is issued, and what its call has read.

    Attributes
    ----------
    signal_id
        Its id.
    now_ms, watermark_ms, session
        Market time, watermark of the symbol and the session of that.
    muted
        Why it is muted; None: it is not.
    replaces
        Id of the signal that it replaces.
    """

    signal_id: str
    strategy: str
    account: str
    version: str
    now_ms: int
    watermark_ms: int
    session: str | None
    muted: str | None
    replaces: str | None
    inputs: tuple[InputRef, ...]
    spans: tuple[Span, ...]
    truncated: bool


def issued(signal: Signal, issue: Issue, traded: TradedSymbol) -> IssuedSignal:
    """The signal as it is published; `seq` and `cause` are given later.

    Raises
    ------
    SignalError
        When it is none.
    """
    _check_words(signal)
    prices = _prices(signal, traded.scale)
    return IssuedSignal(
        id=issue.signal_id,
        op="upsert",
        seq=0,
        rev=0,
        symbol=signal.symbol,
        session=issue.session,
        event_ms=issue.now_ms,
        watermark_ms=issue.watermark_ms,
        corrects=None,
        account=issue.account,
        strategy=issue.strategy,
        cause={},
        version=issue.version,
        action=signal.action,
        order=signal.order,
        quantity=signal.quantity,
        price=prices[0],
        stop=prices[1],
        target=prices[2],
        confidence=_confidence(signal.confidence),
        interval=signal.interval,
        bar_ms=signal.bar_ms,
        reason=signal.reason,
        metadata=_metadata(signal.metadata),
        inputs=issue.inputs,
        spans=issue.spans,
        inputs_truncated=issue.truncated,
        group=signal.group,
        replaces=issue.replaces,
        valid_until_ms=valid_until_ms(signal, issue, traded),
        muted=issue.muted,
        state="issued",
        closed_ms=None,
        close_reason=None,
    )


def _check_words(signal: Signal) -> None:
    if signal.action not in _ACTIONS:
        raise _refused(signal, "action", signal.action, "one of " + ", ".join(_ACTIONS))
    if signal.order not in _ORDERS:
        raise _refused(signal, "order", signal.order, "one of " + ", ".join(_ORDERS))
    quantity = signal.quantity
    if quantity is not None and not (_is_whole(quantity) and quantity > 0):
        raise _refused(signal, "quantity", quantity, "a whole number above 0, or None")
    if not _is_words(signal.reason) or len(signal.reason) > MOST_REASON:
        raise _refused(signal, "reason", signal.reason, f"text of at most {MOST_REASON} characters")
    for name, value in (("interval", signal.interval), ("group", signal.group)):
        if value is not None and not _is_words(value):
            raise _refused(signal, name, value, "text, or None")
    if signal.bar_ms is not None and not _is_whole(signal.bar_ms):
        raise _refused(signal, "bar_ms", signal.bar_ms, "an instant in milliseconds, or None")


def _prices(signal: Signal, scale: TickScale) -> tuple[float | None, float | None, float | None]:
    """Price, stop and target as numbers on the tick; they lie on their sides of each other."""
    opens = signal.action in {"buy", "sell"}
    needs_price = opens and signal.order != "market"
    if (signal.price is None) == needs_price:
        allowed = "the price of the order" if needs_price else "None without a limit or stop entry"
        raise _refused(signal, "price", signal.price, allowed)
    ticks: list[int | None] = []
    for name, value in (("price", signal.price), ("stop", signal.stop), ("target", signal.target)):
        if value is not None and not opens:
            raise _refused(signal, name, value, f"None with {signal.action}")
        ticks.append(None if value is None else _ticks(signal, name, value, scale))
    ordered = [each for each in (ticks[1], ticks[0], ticks[2]) if each is not None]
    if signal.action == "sell":
        ordered.reverse()
    if any(later <= earlier for earlier, later in pairwise(ordered)):
        sides = "stop < price < target" if signal.action == "buy" else "target < price < stop"
        raise _refused(signal, "stop", signal.stop, f"{sides} of a {signal.action}")
    first, second, third = (None if each is None else scale.price(each) for each in ticks)
    return first, second, third


def _ticks(signal: Signal, name: str, value: object, scale: TickScale) -> int:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _refused(signal, name, value, "a price, or None")
    price = float(value)
    try:
        scale.check_sign(price)
        return scale.ticks(price)
    except RecordRejected as error:
        raise _refused(signal, name, value, f"a price on the tick: {error.reason}") from error


def _confidence(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    raise SignalError(f"confidence = {value!r} is not allowed; allowed: 0 to 1")


def _metadata(value: Any) -> dict[str, Any]:
    """A copy, so that the strategy cannot change it later."""
    if not isinstance(value, dict):
        raise SignalError(f"metadata = {value!r} is not allowed; allowed: a dictionary")
    try:
        copied: dict[str, Any] = from_text(plain_text(value, MOST_METADATA_BYTES, "metadata"))
    except MemoryRefusedError as error:
        raise SignalError(str(error)) from error
    return copied


def valid_until_ms(signal: Signal, issue: Issue, traded: TradedSymbol) -> int:
    """From which watermark of its symbol on a signal is expired (docs/rules.md 19.11).

    Raises
    ------
    SignalError
        When several ways are given, or none that lies after the watermark.
    """
    given = [
        name
        for name in ("valid_until_ms", "valid_bars", "valid_minutes")
        if getattr(signal, name) is not None
    ]
    if len(given) > 1:
        raise SignalError(f"{' and '.join(given)} are given; one of them says how long it is valid")
    watermark_ms = issue.watermark_ms
    if signal.valid_until_ms is not None:
        until_ms = signal.valid_until_ms
        if not _is_whole(until_ms) or not watermark_ms < until_ms < 1 << 53:
            allowed = f"an instant after the watermark {watermark_ms}"
            raise _refused(signal, "valid_until_ms", until_ms, allowed)
        return until_ms
    if signal.valid_bars is not None:
        slots = signal.valid_bars
        if not _is_whole(slots) or not 0 < slots <= LONGEST_SLOTS:
            raise _refused(signal, "valid_bars", slots, f"a whole number, 1 to {LONGEST_SLOTS}")
        return end_of_slots(traded.calendar, traded.base_ms, watermark_ms, slots)
    if signal.valid_minutes is not None:
        minutes = signal.valid_minutes
        if not _is_whole(minutes) or not 0 < minutes <= LONGEST_MINUTES:
            raise _refused(signal, "valid_minutes", minutes, f"1 to {LONGEST_MINUTES}")
        return issue.now_ms + minutes * MINUTE_MS
    calendar = traded.calendar
    index = calendar.session_of(watermark_ms)
    return calendar.close_ms(index) if calendar.has_session(index) else calendar.last_ms


def end_of_slots(calendar: Calendar, base_ms: int, from_ms: int, count: int) -> int:
    """End of the slot that is so many slots on, the first that starts at or after an instant is 1.

    Where the calendar ends before, the instant up to which it covers.
    """
    index = calendar.session_of(from_ms)
    while calendar.has_session(index):
        begun = calendar.slots_started(index, from_ms, base_ms)
        slots = calendar.slot_count(index, base_ms)
        if begun + count <= slots:
            start_ms = calendar.slot_start(index, begun + count - 1, base_ms)
            return calendar.slot_end(start_ms, base_ms)
        count -= slots - begun
        index += 1
    return calendar.last_ms


def _is_whole(value: object) -> bool:
    return type(value) is int


def _is_words(value: object) -> bool:
    if type(value) is not str:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refused(signal: Signal, name: str, value: object, allowed: str) -> SignalError:
    shown = repr(value)[:80]
    return SignalError(
        f"signal of {signal.symbol}: {name} = {shown} is not allowed; allowed: {allowed}"
    )


def is_reason(value: object) -> bool:
    """Whether a text can stand in an event as a reason."""
    return _is_words(value) and isinstance(value, str) and len(value) <= MOST_REASON

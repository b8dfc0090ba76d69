"""Signals that a host still follows: issued ones, and those that a correction may yet concern."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct, convert, to_builtins
from msgspec.structs import replace

from tapeline.schemas.host_events import CloseReason, IssuedSignal, SignalState
from tapeline.schemas.instants import FAR_FUTURE_MS
from tapeline.streams.host.accounts.model import RecordTime


class KeptRecord(Struct):
    """A kept signal, for the state."""

    event: IssuedSignal
    issue_ms: int
    issue_watermark_ms: int
    approved: bool
    notes: dict[str, int]


class KeptSignal:
    """A signal with what is not published of it.

    Attributes
    ----------
    event
        Its latest version.
    symbol, strategy
        Those of the event, which always has both.
    issue_ms, issue_watermark_ms
        `event_ms` and `watermark_ms` of its issue.
    approved
        Whether its account took it.
    notes
        By id of a note, how often it was published.
    """

    __slots__ = (
        "approved", "event", "issue_ms", "issue_watermark_ms", "notes", "strategy", "symbol",
    )  # fmt: skip

    def __init__(self, event: IssuedSignal) -> None:
        self.event = event
        self.symbol = str(event.symbol)
        self.strategy = str(event.strategy)
        self.issue_ms = event.event_ms
        self.issue_watermark_ms = event.watermark_ms
        self.approved = False
        self.notes: dict[str, int] = {}

    @property
    def order(self) -> tuple[str, int, str]:
        """Where it comes among others: by strategy, event_ms of issue, id."""
        return self.strategy, self.issue_ms, self.event.id

    def next_revision(self, note: str) -> int:
        """Revision of the next version of a note."""
        rev = self.notes.get(note, 0)
        self.notes[note] = rev + 1
        return rev

    def record(self) -> dict[str, Any]:
        """As plain data."""
        kept = KeptRecord(
            self.event, self.issue_ms, self.issue_watermark_ms, self.approved, self.notes
        )
        found: dict[str, Any] = to_builtins(kept)
        return found


def kept_of(data: Any) -> KeptSignal:
    """The kept signal of its record."""
    record = convert(data, KeptRecord)
    kept = KeptSignal(record.event)
    kept.issue_ms, kept.issue_watermark_ms = record.issue_ms, record.issue_watermark_ms
    kept.approved, kept.notes = record.approved, record.notes
    return kept


def _order(kept: KeptSignal) -> tuple[str, int, str]:
    return kept.order


class SignalBook:
    """All signals of a host that it still follows.

    Attributes
    ----------
    first_expiry
        By symbol, an instant before which no issued signal expires.
    """

    def __init__(self) -> None:
        self.first_expiry: dict[str, int] = {}
        self._kept: dict[str, KeptSignal] = {}
        self._issued: dict[str, dict[str, KeptSignal]] = {}
        self._touched: dict[str, str] = {}

    def add(self, kept: KeptSignal) -> None:
        """Follow a signal."""
        event = kept.event
        self._put(event.id, kept)
        self.touch(kept)

    def _put(self, signal_id: str, kept: KeptSignal) -> None:
        self._kept[signal_id] = kept
        if kept.event.state == "issued":
            symbol = kept.symbol
            self._issued.setdefault(symbol, {})[signal_id] = kept
            first_ms = self.first_expiry.get(symbol, FAR_FUTURE_MS)
            self.first_expiry[symbol] = min(first_ms, kept.event.valid_until_ms)

    def touch(self, kept: KeptSignal) -> None:
        """Its record has changed."""
        self._touch(kept.event.id, kept.strategy)

    def _touch(self, signal_id: str, strategy: str) -> None:
        self._touched[signal_id] = strategy

    def get(self, signal_id: str) -> KeptSignal | None:
        """A signal that is followed."""
        return self._kept.get(signal_id)

    def all(self) -> list[KeptSignal]:
        """All that are followed, in their order."""
        return sorted(self._kept.values(), key=_order)

    def expired(self, symbol: str, instant_ms: int) -> list[KeptSignal]:
        """Issued signals of a symbol that are valid no more, in their order."""
        if instant_ms < self.first_expiry.get(symbol, FAR_FUTURE_MS):
            return []
        issued = self._issued.get(symbol, {})
        found = [each for each in issued.values() if each.event.valid_until_ms <= instant_ms]
        return sorted(found, key=_order)

    def look_for_expiry(self, symbol: str) -> None:
        """Find the first expiry of a symbol anew, after some have closed."""
        issued = self._issued.get(symbol, {}).values()
        self.first_expiry[symbol] = min(
            [each.event.valid_until_ms for each in issued], default=FAR_FUTURE_MS
        )

    def issued_by(self, strategy: str, symbol: str | None = None) -> list[KeptSignal]:
        """Issued signals of a strategy, of a symbol or of all, in their order."""
        names = self._issued if symbol is None else (symbol,)
        found = [
            kept
            for name in names
            for kept in self._issued.get(name, {}).values()
            if kept.strategy == strategy
        ]
        return sorted(found, key=_order)

    def close(
        self, kept: KeptSignal, state: SignalState, reason: CloseReason, at: RecordTime
    ) -> IssuedSignal:
        """Close an issued signal; its content stays."""
        kept.event = replace(
            kept.event,
            session=at.session,
            event_ms=at.ms,
            watermark_ms=at.watermark_ms,
            state=state,
            closed_ms=at.ms,
            close_reason=reason,
        )
        self._issued[kept.symbol].pop(self._id_of(kept), None)
        self.touch(kept)
        return kept.event

    @staticmethod
    def _id_of(kept: KeptSignal) -> str:
        return kept.event.id

    def forget(self, is_over: Callable[[KeptSignal], bool]) -> list[str]:
        """Stop following the signals that are over; returns their ids."""
        gone = [signal_id for signal_id, kept in self._kept.items() if is_over(kept)]
        for signal_id in gone:
            self._touch(signal_id, self._kept[signal_id].strategy)
            del self._kept[signal_id]
        return gone

    def changed(self) -> dict[tuple[str, str], Any]:
        """Records that differ since the last call, by strategy and id; None: it is gone."""
        found: dict[tuple[str, str], Any] = {}
        for signal_id, strategy in self._touched.items():
            kept = self._kept.get(signal_id)
            found[strategy, signal_id] = None if kept is None else kept.record()
        self._touched = {}
        return found

    def restore(self, records: list[Any]) -> None:
        """Take the records that `changed` gave, the latest of each."""
        for data in records:
            kept = kept_of(data)
            self._put(self._id_of(kept), kept)

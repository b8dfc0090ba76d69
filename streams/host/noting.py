"""Which signals get a note when a bar is corrected, and the note (docs/rules.md 19.13)."""

from __future__ import annotations

from collections.abc import Mapping

from tapeline.schemas.host_events import NoteField, SignalNote
from tapeline.schemas.ids import note_id
from tapeline.streams.host.notes import CorrectedInputs
from tapeline.streams.host.signals import KeptSignal
from tapeline.streams.host.trading import Trading


class DueNote:
    """A signal that a correction concerns, found before the record's calls."""

    __slots__ = ("fields", "gone", "kept")

    def __init__(self, kept: KeptSignal, found: tuple[tuple[NoteField, ...], bool]) -> None:
        self.kept = kept
        self.fields = found[0]
        self.gone = found[1]


class Noting:
    """Notes on the signals of a host.

    Parameters
    ----------
    sessions
        By strategy, how long notes on an approved signal come.
    """

    def __init__(self, trading: Trading, sessions: Mapping[str, int]) -> None:
        self._trading = trading
        self._sessions = sessions

    def is_due(self, kept: KeptSignal) -> bool:
        """Whether a correction of its inputs makes a note on a signal now."""
        if kept.event.state == "issued":
            return True
        if self._trading.accounts.is_exposed(kept.event.id):
            return True
        return kept.approved and self._is_young(kept)

    def is_over(self, kept: KeptSignal) -> bool:
        """Whether no note on a signal can come any more."""
        return not self.is_due(kept)

    def _is_young(self, kept: KeptSignal) -> bool:
        watermark_ms = self._trading.watermark_ms(kept.symbol)
        if watermark_ms is None:
            return True
        calendar = self._trading.traded(kept.symbol).calendar
        passed = calendar.session_of(watermark_ms) - calendar.session_of(kept.issue_watermark_ms)
        return passed <= self._sessions.get(kept.strategy, 1)

    def due(self, inputs: CorrectedInputs) -> list[DueNote]:
        """Signals with inputs that a correction changed, by strategy, event_ms of issue, id."""
        found = []
        for kept in self._trading.book.all():
            filled = [
                (each.symbol, each.interval, each.start_ms)
                for each in self._trading.accounts.fill_inputs(kept.event.id)
            ]
            fields = inputs.note_fields(kept.event, filled)
            if fields is not None and self.is_due(kept):
                found.append(DueNote(kept, fields))
        return found

    def write(self, due: DueNote, inputs: CorrectedInputs) -> SignalNote:
        """Publish a note; the same bar corrected again makes another version of it."""
        kept, trading = due.kept, self._trading
        signal = kept.event
        at = trading.instant(kept.symbol)
        new_id = note_id(signal.id, inputs.symbol, inputs.start_ms)
        rev = kept.next_revision(new_id)
        trading.book.touch(kept)
        note = SignalNote(
            id=new_id,
            op="upsert",
            seq=0,
            rev=rev,
            symbol=kept.symbol,
            session=at.session,
            event_ms=at.ms,
            watermark_ms=at.watermark_ms,
            corrects=inputs.start_ms,
            account=signal.account,
            strategy=kept.strategy,
            cause={},
            signal=signal.id,
            fields=due.fields,
            input_gone=due.gone,
            state=signal.state,
            position=trading.accounts.position(str(signal.account), kept.symbol).quantity,
        )
        trading.out.append(note)
        return note

"""What a correction did to the inputs of signals (docs/rules.md 19.13)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct, to_builtins

from tapeline.schemas.events import DerivedBar, Event
from tapeline.schemas.host_events import IssuedSignal, NoteField
from tapeline.schemas.ids import bar_id
from tapeline.schemas.records import Bar
from tapeline.streams.core.correct.corrections import Correction

MOST_FIELDS: Final = 64
QUIET: Final = frozenset({"have", "complete", "quality"})
"""Fields that alone make no note: they count bars, and no price depends on them."""
_NOT_COMPARED: Final = frozenset(
    {
        "id", "op", "seq", "rev", "symbol", "session", "event_ms", "watermark_ms", "corrects",
        "interval", "start_ms", "end_ms",
    }
)  # fmt: skip
"""Common fields, and those that name a window."""
_OF_BARS: Final = ("open", "high", "low", "close", "volume")

FieldChange = tuple[str, Any, Any]
"""Field, value before, value after."""


class FactChange(Struct, frozen=True):
    """What became of one fact: its fields that differ, and whether it is gone."""

    fields: tuple[FieldChange, ...]
    gone: bool


class CorrectedInputs:
    """What one correction changed, as inputs of signals see it.

    Parameters
    ----------
    interval
        Base interval of the symbol.

    Attributes
    ----------
    symbol, start_ms
        Of the bar.
    """

    def __init__(self, correction: Correction, interval: str) -> None:
        self.symbol = correction.symbol
        self.start_ms = correction.start_ms
        self.interval = interval
        bar_fields = changed_bar(correction.before, correction.after)
        self._bar = FactChange(bar_fields, correction.after is None)
        self._facts = {
            change.fact.id: changed_fact(change.old, change.new) for change in correction.changes
        }
        self._bars = [
            change.fact for change in correction.changes if isinstance(change.fact, DerivedBar)
        ]

    def note_fields(
        self, signal: IssuedSignal, filled: Iterable[tuple[str, str, int]]
    ) -> tuple[tuple[NoteField, ...], bool] | None:
        """What a note on a signal lists, and whether an input is gone; None: there is no note.

        Parameters
        ----------
        filled
            Symbol, interval and start of the bars that filled its orders.
        """
        found: dict[str, FactChange] = {}
        gone = False
        for each in signal.inputs:
            change = self._facts.get(each.id)
            if change is not None:
                found.setdefault(each.id, change)
                gone = gone or change.gone
        for bar in self._bars:
            if _is_in_span(signal, bar.symbol, bar.interval, bar.start_ms):
                found.setdefault(bar.id, self._facts[bar.id])
        own = (self.symbol, self.interval, self.start_ms)
        if own in filled or _is_in_span(signal, *own):
            found.setdefault(bar_id(*own), self._bar)
        fields = [
            NoteField(fact_id, *field)
            for fact_id, change in sorted(found.items(), key=_by_id)
            for field in change.fields
        ]
        if not gone and all(each.field in QUIET for each in fields):
            return None
        return tuple(fields[:MOST_FIELDS]), gone


def _by_id(item: tuple[str, FactChange]) -> str:
    return item[0]


def _is_in_span(signal: IssuedSignal, symbol: str, interval: str, start_ms: int) -> bool:
    return any(
        span.symbol == symbol
        and span.interval == interval
        and span.from_ms <= start_ms < span.to_ms
        for span in signal.spans
    )


def changed_bar(before: Bar | None, after: Bar | None) -> tuple[FieldChange, ...]:
    """Fields of a base bar that differ, by name; None where there was or is no bar."""
    found: list[FieldChange] = []
    for name in sorted(_OF_BARS):
        old = None if before is None else getattr(before, name)
        new = None if after is None else getattr(after, name)
        if old != new:
            found.append((name, old, new))
    return tuple(found)


def changed_fact(before: Event | None, after: Event | None) -> FactChange:
    """Fields of a fact that differ, by name; of a field with keys, each key by itself."""
    old, new = _compared(before), _compared(after)
    found: list[FieldChange] = []
    for name in sorted({*old, *new}):
        was, now = old.get(name), new.get(name)
        if was != now:
            found.append((name, was, now))
    return FactChange(tuple(found), after is None)


def _compared(fact: Event | None) -> dict[str, Any]:
    if fact is None:
        return {}
    found: dict[str, Any] = {}
    plain: dict[str, Any] = to_builtins(fact, str_keys=True)
    for name, value in plain.items():
        if name in _NOT_COMPARED or name == "type":
            continue
        if isinstance(value, dict) and _has_keys(fact, name):
            for key, each in value.items():
                found[".".join((name, key))] = each
        else:
            found[name] = value
    return found


def _has_keys(fact: Event, name: str) -> bool:
    """Whether a field is a dictionary in the event, and not a struct inside of it."""
    return isinstance(getattr(fact, name, None), dict)

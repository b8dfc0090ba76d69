"""A correction in words: the bar before and after, how far back it went, what it changed."""

from __future__ import annotations

from collections.abc import Iterator

from tapeline.schemas.instants import ISO, instant_text
from tapeline.schemas.records import Bar
from tapeline.streams.core.correct.corrections import Change, Correction


def explanation(offset: int, correction: Correction) -> Iterator[str]:
    """Lines for people: a head, then one line a changed id (+ new, ~ changed, - retracted).

    Parameters
    ----------
    offset
        Offset of the correcting record in the log.
    """
    kind = "changed"
    if correction.before is None:
        kind = "late"
    elif correction.after is None:
        kind = "cancelled"
    slot = instant_text(correction.start_ms, ISO)
    yield (
        f"offset {offset}: {correction.symbol} bar of {slot} {kind}:"
        f" {_bar(correction.before)} -> {_bar(correction.after)}"
    )
    if not correction.bars_again and not correction.changes:
        yield "  off session: nothing is run again"
        return
    start = "the first bar"
    if correction.from_ms is not None:
        start = instant_text(correction.from_ms, ISO)
    yield (
        f"  from {start} on {correction.bars_again} bars run again,"
        f" {len(correction.changes)} ids changed"
    )
    for change in correction.changes:
        yield f"  {_sign(change)} {change.fact.id}"


def _sign(change: Change) -> str:
    if change.old is None:
        return "+"
    return "-" if change.new is None else "~"


def _bar(bar: Bar | None) -> str:
    if bar is None:
        return "none"
    volume = "" if bar.volume is None else f" volume {bar.volume}"
    return f"{bar.open} {bar.high} {bar.low} {bar.close}{volume}"

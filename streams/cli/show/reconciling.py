"""The comparison of a log with the history of a provider, for people and as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from msgspec import to_builtins

from tapeline.schemas.instants import iso_time
from tapeline.schemas.records import Bar
from tapeline.streams.feeds.live.comparison import KINDS, ComparedSymbol, SlotDifference
from tapeline.streams.ingest.reconcile import Reconciliation

SHOWN = 50
"""Differences of a symbol, and ids, that are listed for people; data have all."""
CONTENT = ("open", "high", "low", "close", "volume")


def reconciliation_data(found: Reconciliation) -> dict[str, Any]:
    """What was found, as plain data."""
    return {
        "feed": found.feed,
        "session": found.session,
        "same": found.same,
        "published": found.published,
        "left": found.left,
        "symbols": [_symbol_data(each) for each in found.comparisons],
        "differences": [
            {
                "symbol": each.symbol,
                "start_ms": each.start_ms,
                "kind": each.kind,
                "log": _content(each.held),
                "history": _content(each.stated),
                "reason": each.reason or None,
                "cancelled": (each.symbol, each.start_ms) in found.cancelled,
            }
            for comparison in found.comparisons
            for each in comparison.differences
        ],
        "view": None if found.view is None else list(found.view),
    }


def _symbol_data(comparison: ComparedSymbol) -> dict[str, Any]:
    stretch = comparison.stretch
    kinds = Counter(each.kind for each in comparison.differences)
    return {
        "symbol": stretch.symbol,
        "from_ms": stretch.open_ms,
        "to_ms": stretch.until_ms,
        "equal": comparison.equal,
        **{kind: kinds[kind] for kind in KINDS},
        "unreadable": comparison.unreadable,
    }


def _content(bar: Bar | None) -> dict[str, Any] | None:
    if bar is None:
        return None
    fields = to_builtins(bar)
    return {name: fields[name] for name in CONTENT}


def reconciliation_lines(found: Reconciliation) -> Iterator[str]:
    """A line for each symbol and each difference, and the verdict."""
    for comparison in found.comparisons:
        data = _symbol_data(comparison)
        counts = [f"{data[kind]} {kind}" for kind in ("equal", *KINDS, "unreadable")]
        shown = [each for each in counts if not each.startswith("0 ")] or ["no bars"]
        until = iso_time(comparison.stretch.until_ms)
        yield f"{data['symbol']} {found.session} until {until}: {', '.join(shown)}"
        for each in comparison.differences[:SHOWN]:
            yield f"  {iso_time(each.start_ms)} {each.kind}{_detail(each, found)}"
        if len(comparison.differences) > SHOWN:
            yield f"  and {len(comparison.differences) - SHOWN} more"
    if found.published is not None:
        yield f"published: {found.published} records; left: {found.left} differences"
    if found.view is not None:
        yield f"view: {len(found.view)} facts differ" if found.view else "view: equal"
        yield from (f"  {each}" for each in found.view[:SHOWN])
        if len(found.view) > SHOWN:
            yield f"  and {len(found.view) - SHOWN} more"
    if found.published is None:
        yield f"{found.left} differences" if found.left else "log and history are equal"


def _detail(each: SlotDifference, found: Reconciliation) -> str:
    if each.kind == "changed":
        ours, theirs = _content(each.held), _content(each.stated)
        assert ours is not None
        assert theirs is not None
        parts = [
            f"{name} {ours[name]} -> {theirs[name]}"
            for name in CONTENT
            if ours[name] != theirs[name]
        ]
        return f": {', '.join(parts)}"
    if each.reason:
        return f": {each.reason}"
    if each.kind == "extra" and found.published is not None:
        taken_back = (each.symbol, each.start_ms) in found.cancelled
        return ": cancelled" if taken_back else ": kept, two answers do not prove it"
    return ""

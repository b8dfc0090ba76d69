"""What live feeds reported of themselves, and what follows for slots without a bar. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping
from itertools import pairwise
from typing import Literal

from msgspec import Struct

from tapeline.schemas.feed_events import FeedEvent, Halt, Hole, Quiet, Subscribed
from tapeline.schemas.instants import FAR_FUTURE_MS, FAR_PAST_MS
from tapeline.schemas.topics import topic_of
from tapeline.streams.pipeline.view import set_version

FEEDS_TOPIC = topic_of(Hole.__struct_config__.tag)  # type: ignore[arg-type]
"""The topic of them, as a store names it."""

Reason = Literal["halt", "quiet", "outage", "not expected", "unknown"]
PRIORITY: tuple[Reason, ...] = ("halt", "quiet", "outage", "not expected", "unknown")
"""Where windows overlap, the first of these holds: a proof goes before what may have been lost."""
NO_PROOF = "patience"
"""Evidence that is none: the wait for some was over."""


class MissingPart(Struct, frozen=True):
    """Missing slots of one gap with one reason: `missing` labels in [start_ms, end_ms).

    Attributes
    ----------
    detail
        Of an outage its cause, of a quiet stretch the evidence; "" else.
    feed
        The feed that reported it; None of what is unknown.
    """

    reason: Reason
    detail: str
    feed: str | None
    start_ms: int
    end_ms: int
    missing: int


class _Window(Struct, frozen=True):
    from_ms: int
    to_ms: int
    reason: Reason
    detail: str
    feed: str


_UNKNOWN = _Window(FAR_PAST_MS, FAR_FUTURE_MS, "unknown", "", "")


class Operations:
    """Events of the operations of feeds, by id the last state of each.

    Parameters
    ----------
    members
        Symbols of each feed: an event of a whole feed is one of each of them.

    Attributes
    ----------
    strangers
        Feeds that reported something of all their symbols, and whose symbols are not known here.
    """

    def __init__(self, members: Mapping[str, Collection[str]]) -> None:
        self.strangers: set[str] = set()
        self._members = members
        self._feeds: dict[str, set[str]] = {}
        for feed, symbols in members.items():
            for symbol in symbols:
                self._feeds.setdefault(symbol, set()).add(feed)
        self._events: dict[tuple[str, str | None], dict[str, Hole | Quiet | Halt]] = {}
        self._subscriptions: dict[str, list[Subscribed]] = {}
        self._windows: dict[str, _Windows] = {}

    def take(self, event: FeedEvent) -> None:
        """Learn from an event, in the order in which they were written."""
        if isinstance(event, Subscribed):
            self._subscriptions.setdefault(event.feed, []).append(event)
        elif isinstance(event, Hole | Quiet | Halt):
            set_version(self._events.setdefault((event.feed, event.symbol), {}), event.id, event)
        else:
            return
        if event.symbol is not None:
            self._feeds.setdefault(event.symbol, set()).add(event.feed)
            self._windows.pop(event.symbol, None)
            return
        self._windows.clear()
        if event.feed not in self._members:
            self.strangers.add(event.feed)

    def feeds(self, symbol: str) -> list[str]:
        """Feeds that the symbol is of, or that reported something of it."""
        return sorted(self._feeds.get(symbol, ()))

    def holes(self, symbol: str) -> list[Hole]:
        """Open holes that concern a symbol, by their beginning."""
        found = [
            event
            for feed in self.feeds(symbol)
            for event in self._of(feed, symbol)
            if isinstance(event, Hole) and event.state == "open"
        ]
        return sorted(found, key=lambda hole: (hole.from_ms, hole.id))

    def is_halted(self, symbol: str) -> bool:
        """Whether a provider reported a halt of a symbol, and no end of it."""
        return any(
            isinstance(event, Halt) and event.to_ms is None
            for feed in self.feeds(symbol)
            for event in self._of(feed, symbol)
        )

    def is_refused(self, symbol: str) -> bool:
        """Whether every feed of a symbol asked for it last and did not get it."""
        last = [self._subscriptions.get(feed, []) for feed in self.feeds(symbol)]
        return bool(last) and all(each and symbol in each[-1].missing for each in last)

    def explain(
        self, symbol: str, start_ms: int, end_ms: int, slots: Callable[[int, int], int]
    ) -> list[MissingPart]:
        """Why the slots of a gap have no bar, as parts in order of time.

        Parameters
        ----------
        start_ms, end_ms
            The gap, [start_ms, end_ms).
        slots
            Number of slots of the symbol with from <= label < to.
        """
        windows = self._windows.get(symbol)
        if windows is None:
            windows = self._windows[symbol] = _Windows(self._all_windows(symbol))
        chosen = windows.within(start_ms, end_ms)
        edges = {start_ms, end_ms}
        for each in chosen:
            edges.update(edge for edge in (each.from_ms, each.to_ms) if start_ms < edge < end_ms)
        ordered = sorted(edges)
        parts: list[MissingPart] = []
        for begin, end in pairwise(ordered):
            count = slots(begin, end)
            if not count:
                continue
            covering = [each for each in chosen if each.from_ms <= begin and end <= each.to_ms]
            best = min(covering, key=_rank, default=_UNKNOWN)
            _add(parts, best, begin, end, count)
        return parts

    def _of(self, feed: str, symbol: str) -> list[Hole | Quiet | Halt]:
        """Events of a feed that concern a symbol."""
        own = self._events.get((feed, symbol), {})
        shared: dict[str, Hole | Quiet | Halt] = {}
        if symbol in self._members.get(feed, ()):
            shared = self._events.get((feed, None), {})
        return [*shared.values(), *own.values()]

    def _all_windows(self, symbol: str) -> list[_Window]:
        found = []
        for feed in self.feeds(symbol):
            for event in self._of(feed, symbol):
                window = _window(event)
                if window is not None:
                    found.append(window)
            if symbol in self._members.get(feed, ()):
                found += _refusals(self._subscriptions.get(feed, []), symbol)
        return found


class _Windows:
    """Windows by their beginning, with the greatest end up to each of them."""

    def __init__(self, windows: list[_Window]) -> None:
        self._windows = sorted(windows, key=lambda each: each.from_ms)
        self._begins = [each.from_ms for each in self._windows]
        self._ends: list[int] = []
        for each in self._windows:
            before = self._ends[-1] if self._ends else FAR_PAST_MS
            self._ends.append(max(before, each.to_ms))

    def within(self, start_ms: int, end_ms: int) -> list[_Window]:
        """Those that overlap [start_ms, end_ms)."""
        found = []
        at = bisect_left(self._begins, end_ms) - 1
        while at >= 0 and self._ends[at] > start_ms:
            if self._windows[at].to_ms > start_ms:
                found.append(self._windows[at])
            at -= 1
        return found


def _window(event: Hole | Quiet | Halt) -> _Window | None:
    to_ms = FAR_FUTURE_MS if event.to_ms is None else event.to_ms
    if isinstance(event, Halt):
        return _Window(event.from_ms, to_ms, "halt", "", event.feed)
    if isinstance(event, Quiet):
        reason: Reason = "outage" if event.evidence == NO_PROOF else "quiet"
        return _Window(event.from_ms, to_ms, reason, event.evidence, event.feed)
    # Of a hole that was filled every slot has a bar or evidence, and evidence has its own event.
    if event.state == "filled":
        return None
    return _Window(event.from_ms, to_ms, "outage", event.cause, event.feed)


def _refusals(subscriptions: list[Subscribed], symbol: str) -> list[_Window]:
    """Stretches in which a provider had not confirmed a symbol."""
    ends = [*(each.at_ms for each in subscriptions[1:]), FAR_FUTURE_MS]
    return [
        _Window(each.at_ms, end, "not expected", "", each.feed)
        for each, end in zip(subscriptions, ends, strict=False)
        if symbol in each.missing
    ]


def _rank(window: _Window) -> tuple[int, int]:
    """The better reason first; of equal ones the window that begins later, which knows more."""
    return PRIORITY.index(window.reason), -window.from_ms


def _add(parts: list[MissingPart], window: _Window, begin: int, end: int, count: int) -> None:
    feed = window.feed or None
    if parts:
        last = parts[-1]
        if (last.reason, last.detail, last.feed) == (window.reason, window.detail, feed):
            parts[-1] = MissingPart(
                window.reason, window.detail, feed, last.start_ms, end, last.missing + count
            )
            return
    parts.append(MissingPart(window.reason, window.detail, feed, begin, end, count))

"""What shows that a slot has no bar; clocks are written on it and on nothing else.

Strongest first: the provider says that the interval is over (marker, halt, empty candle); the
history, asked late enough, has no bar; another symbol's bar of the slot or a later one came by the
same connection; a heartbeat came after the slot. In a slot in which the symbol was disconnected for
an instant only the first two count. A pong, an open socket and our own clock are no evidence.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from msgspec import Struct

from tapeline.schemas.config.feeds import Silence
from tapeline.schemas.feed_events import Evidence
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.streams.feeds.live.engine.symbol import FeedSymbol

STRENGTH: Final[dict[Silence, int]] = {
    "none": 0,
    "marker": 1,
    "history": 2,
    "canary": 3,
    "heartbeat": 4,
}


_NAMED: Final[dict[str, Evidence]] = {
    "marker": "marker",
    "history": "history",
    "heartbeat": "heartbeat",
}


def evidence_of(via: str) -> Evidence:
    """What showed the silence before a clock: by a bar, its own symbol is the canary."""
    return _NAMED.get(via, "canary")


class Connected(Struct):
    """What came by one connection.

    Attributes
    ----------
    heard_ms
        Provider time of its last application data.
    heartbeat_ms
        Provider time of its last heartbeat.
    canary_ms, canary
        Greatest instant up to which a bar shows that bars flow, and of which symbol it was.
    other_ms
        The same by a bar of another symbol than `canary`.
    marked_ms
        Every bar that starts at or before it was sent.
    """

    number: int
    symbols: set[str]
    heard_ms: int
    heartbeat_ms: int = FAR_PAST_MS
    canary_ms: int = FAR_PAST_MS
    canary: str = ""
    other_ms: int = FAR_PAST_MS
    marked_ms: int = FAR_PAST_MS

    def bar(self, symbol: str, until_ms: int) -> None:
        """A bar shows that slots which end at or before an instant were sent."""
        if symbol == self.canary:
            self.canary_ms = max(self.canary_ms, until_ms)
        elif until_ms > self.canary_ms:
            self.other_ms = self.canary_ms
            self.canary, self.canary_ms = symbol, until_ms
        else:
            self.other_ms = max(self.other_ms, until_ms)

    def canary_of(self, symbol: str) -> int:
        """Up to where the bars of other symbols show that bars flow."""
        return self.other_ms if symbol == self.canary else self.canary_ms


class Proof(NamedTuple):
    """Every slot from the one asked about that ends at or before ``until_ms`` has no bar."""

    evidence: Evidence
    until_ms: int


def proof_of_silence(
    state: FeedSymbol,
    label_ms: int,
    weakest: Silence,
    connections: dict[int, Connected],
    now_ms: int,
    grace_ms: int,
) -> Proof | None:
    """The strongest evidence that a slot without a bar has none.

    Parameters
    ----------
    label_ms
        The first slot that is not known.
    weakest
        The weakest evidence that the feed takes.
    now_ms
        Provider time.
    grace_ms
        How long after its end a bar may come.
    """
    end_ms = state.slots.end(label_ms)
    strength = STRENGTH[weakest]
    if not strength:
        return None
    covered = []
    marked_ms = state.marked_ms
    for number, since_ms in state.connections.items():
        if since_ms <= label_ms:
            covered.append(connections[number])
        if since_ms < end_ms:
            marked_ms = max(marked_ms, connections[number].marked_ms)
    if marked_ms >= label_ms:
        return Proof("marker", state.slots.end(marked_ms))
    replayed_ms = state.marked.end_from(label_ms)
    if replayed_ms >= end_ms:
        return Proof("marker", replayed_ms)
    if label_ms in state.empty:
        return Proof("marker", end_ms)
    if state.halted_ms is not None and state.halted_ms <= label_ms and covered:
        return Proof("marker", now_ms - grace_ms)
    if strength >= STRENGTH["history"] or not covered:
        proven_ms = state.proven.end_from(label_ms)
        if proven_ms >= end_ms:
            return Proof("history", proven_ms)
    if strength >= STRENGTH["canary"]:
        canary_ms = max((each.canary_of(state.symbol) for each in covered), default=FAR_PAST_MS)
        if canary_ms >= end_ms:
            return Proof("canary", canary_ms)
    if strength >= STRENGTH["heartbeat"]:
        beat_ms = max((each.heartbeat_ms for each in covered), default=FAR_PAST_MS) - grace_ms
        if beat_ms >= end_ms:
            return Proof("heartbeat", beat_ms)
    return None

"""What the connection side of a feed hands to its content side, in the order in which it happened.

The content side is handed every signal together with the instant of the event that led to it.
"""

from __future__ import annotations

from msgspec import Struct

from tapeline.schemas.feed_events import HoleCause
from tapeline.streams.feeds.live.model import Instant, Meaning


class WentLive(Struct, frozen=True):
    """The provider acknowledged symbols on a connection: their statements may come from now on.

    One a message of acknowledgement, so several a connection where symbols are asked for in
    chunks; each names only symbols that this connection did not have before, none where the last
    that were waited for were refused. Until `WentDown` of it, a symbol is subscribed on the
    connection without interruption since ``since``.

    Attributes
    ----------
    since
        Instant of the acknowledgement.
    complete
        Whether no symbol is waited for any more: all others were refused.
    """

    connection: int
    symbols: tuple[str, ...]
    since: Instant
    complete: bool


class Heard(Struct, frozen=True):
    """What one message means, in its order; only from connections with an acknowledged symbol.

    Letters were made of `Unreadable`, `Unasked` were counted: neither is among them. A statement of
    a symbol that is not acknowledged yet is.
    """

    connection: int
    meanings: tuple[Meaning, ...]


class WentDown(Struct, frozen=True):
    """A connection that had symbols is gone.

    Attributes
    ----------
    cause
        ``disconnect``: cut or closed; ``stale``: silent for too long; ``overflow``: messages were
        dropped because they were read too slowly, by the provider or by us.
    last_heard
        When it last gave application data (before that: its first acknowledgement): what came
        later may be lost.
    replaced_by
        A connection that was complete and had data before this one was closed: nothing is lost of
        the symbols that it has. None: there is none.
    """

    connection: int
    cause: HoleCause
    last_heard: Instant
    replaced_by: int | None = None


class RefusedSymbols(Struct, frozen=True):
    """Symbols that the provider does not give, until the next connection asks for them again."""

    connection: int
    symbols: tuple[str, ...]
    reason: str


class ClockHealth(Struct, frozen=True):
    """What is known of the provider's clock; published when it changed.

    Attributes
    ----------
    healthy
        False: no clock is written and no bar is closed by time alone.
    offset_ms
        The provider's clock less ours: provider time is ``wall_ms`` plus this.
    """

    healthy: bool
    offset_ms: int


class Paused(Struct, frozen=True):
    """The whole provider asks for a pause: no request before ``until_ms`` (``mono_ms``)."""

    until_ms: int
    status: int


class BreakerOpened(Struct, frozen=True):
    """No connection is tried before ``until_ms`` (``mono_ms``): history is polled until then."""

    until_ms: int


Signal = WentLive | Heard | WentDown | RefusedSymbols | ClockHealth | Paused | BreakerOpened

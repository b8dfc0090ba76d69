"""An engine whose messages and answers are put on a tape, without the secrets of the feed."""

from __future__ import annotations

from collections.abc import Callable

from tapeline.streams.feeds.live.model import (
    Action,
    Answered,
    Close,
    ConnectionClosed,
    ConnectionOpened,
    Event,
    FeedMapping,
    Fetch,
    Instant,
    Received,
)
from tapeline.streams.feeds.live.replay import ReplayedEngine
from tapeline.streams.feeds.live.tape import tape_line

_OK = 200


class TapedEngine:
    """Hands everything on to an engine, and every message and good answer to a tape first.

    Times of the tape go by the monotonic clock from the first event on, so that a step of the wall
    clock leaves them in order.

    Parameters
    ----------
    write
        Takes the lines of the tape, without their ends.
    """

    def __init__(
        self, engine: ReplayedEngine, mapping: FeedMapping, write: Callable[[bytes], None]
    ) -> None:
        self._engine = engine
        self._mapping = mapping
        self._write = write
        self._asked: dict[int, Fetch] = {}
        self._ended: set[int] = set()
        self._offset_ms: int | None = None

    @property
    def next_ms(self) -> int:
        """When (``mono_ms``) a `Timer` is due."""
        return self._engine.next_ms

    @property
    def written(self) -> bool:
        """Whether the destination holds everything that there is to write."""
        return self._engine.written

    @property
    def progress(self) -> tuple[int, int]:
        """Records that there were to write so far, and how many of them the destination holds."""
        return self._engine.progress

    def handle(self, event: Event, now: Instant) -> list[Action]:
        """Take an event; returns what is to be done, in order."""
        if self._offset_ms is None:
            self._offset_ms = now.wall_ms - now.mono_ms
            self._write(tape_line(b"", now.wall_ms, "begun"))
        recv_ms = now.mono_ms + self._offset_ms
        if isinstance(event, Received):
            self._write(tape_line(self._mapping.without_secrets(event.data), recv_ms))
        elif isinstance(event, ConnectionOpened):
            self._write(tape_line(b"", recv_ms, "opened"))
        elif isinstance(event, ConnectionClosed) and event.connection not in self._ended:
            self._write(tape_line(b"", recv_ms, "closed"))
        elif isinstance(event, Answered):
            asked = self._asked.pop(event.request, None)
            if asked is not None and event.status == _OK:
                body = self._mapping.without_secrets(event.body)
                self._write(tape_line(body, recv_ms, "history", asked.symbols, asked.http.shown))
        actions = self._engine.handle(event, now)
        for action in actions:
            if isinstance(action, Fetch):
                self._asked[action.request] = action
            elif isinstance(action, Close):
                # What the engine ends itself it ends again in a replay.
                self._ended.add(action.connection)
        return actions

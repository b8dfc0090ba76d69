"""A provider's dialect for tests: small JSON messages, and the mapping that reads them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tapeline.schemas.records import Bar
from tapeline.streams.feeds.live.model import (
    Alive,
    Closing,
    HistoryPage,
    HistoryRequest,
    HttpRequest,
    Meaning,
    Notice,
    Statement,
    StepAnswer,
    StepMessage,
    Unasked,
    Unreadable,
)

KEY = "hunter2"
SHOWN = "wss://feed.example/stream"


def text(**fields: Any) -> bytes:
    """A message."""
    return json.dumps(fields).encode()


def bar_text(symbol: str, start_ms: int, sent_ms: int | None = None, final: bool = True) -> bytes:
    """A bar in the provider's form."""
    return text(bar=symbol, start=start_ms, final=final, sent=sent_ms)


class Dialect:
    """Two steps: a key, then symbols in chunks, each answered with a list of symbols.

    Parameters
    ----------
    by_address
        No steps at all: the address asks for the symbols.
    """

    has_history = False
    replays = False
    closing: Closing = "stated"

    def __init__(
        self,
        symbols: Sequence[str],
        chunk: int = 100,
        pace_ms: int = 0,
        cadence_ms: int = 60_000,
        by_address: bool = False,
    ) -> None:
        self.steps = 0 if by_address else 2
        self.cadence_ms = cadence_ms
        self._symbols = frozenset(symbols)
        self._chunk = chunk
        self._pace_ms = pace_ms

    def address(self, symbols: Sequence[str]) -> HttpRequest:
        """Where to connect."""
        return HttpRequest(f"{SHOWN}?key={KEY}", SHOWN)

    def messages(self, step: int, symbols: Sequence[str]) -> list[StepMessage]:
        """The key, then the symbols."""
        if step == 0:
            return [StepMessage(text(auth=KEY).decode())]
        chunks = [
            tuple(symbols[at : at + self._chunk]) for at in range(0, len(symbols), self._chunk)
        ]
        return [StepMessage(text(subscribe=chunk).decode(), chunk) for chunk in chunks]

    def pace_ms(self, step: int) -> int:
        """Least time between two messages of a step."""
        return self._pace_ms

    def answer(self, step: int, message: StepMessage | None, parsed: Any) -> StepAnswer:
        """An answer to the key or to a list of symbols."""
        if "denied" in parsed:
            return StepAnswer("fatal", text=parsed["denied"])
        if step == 0 and "welcome" in parsed:
            return StepAnswer("expected")
        if step == 1 and "subscribed" in parsed:
            return StepAnswer("expected", frozenset(parsed["subscribed"]))
        return StepAnswer("other")

    def parse(self, data: bytes) -> Any:
        """JSON."""
        return json.loads(data)

    def without_secrets(self, data: bytes) -> bytes:
        """The key is the only one."""
        return data.replace(KEY.encode(), b"***")

    def meanings(self, parsed: Any, data: bytes) -> list[Meaning]:
        """Bars, heartbeats, notices; anything else is an unknown kind."""
        if "bar" in parsed:
            symbol = parsed["bar"]
            if symbol not in self._symbols:
                return [Unasked(symbol)]
            bar = Bar(symbol, "1m", parsed["start"], 10.0, 10.0, 10.0, 10.0, 1)
            return [Statement(bar, parsed["final"], parsed["sent"])]
        if "beat" in parsed:
            return [Alive(parsed["beat"])]
        if "notice" in parsed:
            return [
                Notice(
                    parsed["notice"],
                    parsed.get("symbol"),
                    wait_ms=parsed.get("wait"),
                    text=parsed.get("text", ""),
                )
            ]
        if parsed.keys() & {"welcome", "subscribed", "denied"}:
            return []
        return [Unreadable("schema_error", "unknown kind of message", data)]

    def history(self, symbols: Sequence[str], from_ms: int, to_ms: int) -> list[HistoryRequest]:
        """None."""
        return []

    def page(self, request: HistoryRequest, body: bytes) -> HistoryPage:
        """None."""
        return HistoryPage(())

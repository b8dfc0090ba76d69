"""What is wanted of the history, by urgency: many wants become one request where they fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from tapeline.schemas.instants import DAY_MS, FAR_FUTURE_MS
from tapeline.streams.feeds.live.engine.symbol import FeedSymbol

Purpose = Literal["seam", "tail", "evidence", "retry", "dirty", "older", "end"]
BY_URGENCY: Final[tuple[Purpose, ...]] = (
    "seam", "tail", "evidence", "retry", "dirty", "older", "end",
)  # fmt: skip


class Ask(Struct, frozen=True):
    """Bars of some symbols with from_ms <= label <= to_ms, for one purpose."""

    symbols: tuple[str, ...]
    from_ms: int
    to_ms: int
    purpose: Purpose


class Want(Struct):
    """What is wanted of one symbol, not before ``ready_ms`` (``mono_ms``)."""

    from_ms: int
    to_ms: int
    ready_ms: int


class Wants:
    """One want a purpose and symbol; a second one widens the first.

    Parameters
    ----------
    per_request
        Symbols that one request may name.
    lag_ms
        How long after its end a bar is in the history.
    """

    def __init__(self, states: Mapping[str, FeedSymbol], per_request: int, lag_ms: int) -> None:
        self._states = states
        self._per_request = per_request
        self._lag_ms = lag_ms
        self._wants: dict[Purpose, dict[str, Want]] = {purpose: {} for purpose in BY_URGENCY}
        self._ready: dict[Purpose, int] = dict.fromkeys(BY_URGENCY, FAR_FUTURE_MS)

    @property
    def next_ms(self) -> int:
        """When (``mono_ms``) the first of them is ready."""
        return min(self._ready.values())

    def add(self, purpose: Purpose, symbol: str, from_ms: int, to_ms: int, ready_ms: int) -> None:
        """Want the bars of a symbol with from_ms <= label <= to_ms."""
        want = self._wants[purpose].get(symbol)
        if want is None:
            self._wants[purpose][symbol] = Want(from_ms, to_ms, ready_ms)
        else:
            want.from_ms = min(want.from_ms, from_ms)
            want.to_ms = max(want.to_ms, to_ms)
            want.ready_ms = min(want.ready_ms, ready_ms)
            ready_ms = want.ready_ms
        self._ready[purpose] = min(self._ready[purpose], ready_ms)

    def drop(self, symbol: str, purpose: Purpose | None = None) -> bool:
        """Want nothing of a symbol any more, or not for one purpose; whether it was wanted."""
        chosen = BY_URGENCY if purpose is None else (purpose,)
        found = [self._wants[each].pop(symbol, None) for each in chosen]
        return any(want is not None for want in found)

    def take(self, now_ms: int, provider_ms: int) -> Ask | None:
        """The most urgent wants that are ready and make one request; None: there are none.

        Parameters
        ----------
        now_ms, provider_ms
            This instant, by ``mono_ms`` and by the provider's time.
        """
        for purpose in BY_URGENCY:
            if self._ready[purpose] <= now_ms:
                ask = self._gather(purpose, now_ms, provider_ms)
                if ask is not None:
                    return ask
        return None

    def _gather(self, purpose: Purpose, now_ms: int, provider_ms: int) -> Ask | None:
        wants = self._wants[purpose]
        chosen: list[str] = []
        from_ms, to_ms = FAR_FUTURE_MS, 0
        first_ready_ms = FAR_FUTURE_MS
        latest: dict[tuple[str, int], int] = {}
        for symbol, want in wants.items():
            if len(chosen) == self._per_request:
                # What follows is looked at for the next request.
                first_ready_ms = now_ms
                break
            if want.ready_ms <= now_ms:
                slots = self._states[symbol].slots
                key = (slots.calendar.calendar_id, slots.base_ms)
                latest_ms = latest.get(key)
                if latest_ms is None:
                    latest_ms = latest[key] = self.latest(symbol, provider_ms)
                if want.from_ms > latest_ms:
                    # Nothing of it is in the history yet.
                    want.ready_ms = now_ms + self._wait(symbol, want.from_ms, provider_ms)
                elif not chosen or -DAY_MS <= want.from_ms - from_ms <= DAY_MS:
                    chosen.append(symbol)
                    from_ms = min(from_ms, want.from_ms)
                    to_ms = max(to_ms, min(want.to_ms, latest_ms))
                    continue
            first_ready_ms = min(first_ready_ms, want.ready_ms)
        self._ready[purpose] = first_ready_ms
        for symbol in chosen:
            del wants[symbol]
        return Ask(tuple(chosen), from_ms, to_ms, purpose) if chosen else None

    def latest(self, symbol: str, provider_ms: int) -> int:
        """Greatest label that the history has by now, as far as is promised."""
        slots = self._states[symbol].slots
        end_ms = provider_ms - self._lag_ms
        # Bars outside sessions have no slot; a short last slot ends sooner than its length.
        return max(end_ms - slots.base_ms, slots.at(slots.last_end(end_ms) - 1))

    def _wait(self, symbol: str, label_ms: int, provider_ms: int) -> int:
        end_ms = self._states[symbol].slots.end(label_ms)
        return max(end_ms + self._lag_ms - provider_ms, 1)

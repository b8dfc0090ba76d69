"""What is wanted of the history, by urgency: many wants become one request where they fit.

What came after it was wanted is left out when a request is made: an answer, or a bar of the stream.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from tapeline.schemas.instants import DAY_MS, FAR_FUTURE_MS, FAR_PAST_MS, SECOND_MS
from tapeline.streams.feeds.live.engine.symbol import FeedSymbol

Purpose = Literal["seam", "tail", "evidence", "retry", "dirty", "older", "end"]
BY_URGENCY: Final[tuple[Purpose, ...]] = (
    "seam", "tail", "evidence", "retry", "dirty", "older", "end",
)  # fmt: skip
MISSING: Final[frozenset[Purpose]] = frozenset({"tail", "evidence", "retry"})
"""Purposes that want what is not known yet, and nothing else."""
UNDER_WAY_MS: Final = SECOND_MS
"""What an answer on its way may bring is looked at again so much later."""


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


_Entry = tuple[int, int, str, Want]
"""When it is ready, its number, symbol and want."""


class _Queue:
    """Wants of one purpose by symbol, and in the order in which they are ready."""

    def __init__(self) -> None:
        self.wants: dict[str, Want] = {}
        self._heap: list[_Entry] = []
        self._number = 0

    @property
    def ready_ms(self) -> int:
        """When the first of them is ready."""
        heap = self._heap
        while heap and not self._holds(heap[0]):
            heapq.heappop(heap)
        return heap[0][0] if heap else FAR_FUTURE_MS

    def _holds(self, entry: _Entry) -> bool:
        ready_ms, _, symbol, want = entry
        return self.wants.get(symbol) is want and want.ready_ms == ready_ms

    def enter(self, symbol: str, want: Want) -> None:
        """A want that is new, or is ready at another time."""
        self.wants[symbol] = want
        self._number += 1
        heapq.heappush(self._heap, (want.ready_ms, self._number, symbol, want))

    def take(self, now_ms: int) -> _Entry | None:
        """The first want that is ready; it stays one of `wants`."""
        return heapq.heappop(self._heap) if self.ready_ms <= now_ms else None

    def put_back(self, entry: _Entry) -> None:
        """What was taken has its turn again."""
        heapq.heappush(self._heap, entry)


class Wants:
    """One want a purpose and symbol; a second one widens the first.

    Parameters
    ----------
    per_request
        Symbols that one request may name.
    lag_ms
        How long after its end a bar is in the history.
    sessions_from_ms
        Sessions that are over are not compared before then (``mono_ms``): what a new process
        missed of the running one comes first, and is wanted once it is connected.
    """

    def __init__(
        self,
        states: Mapping[str, FeedSymbol],
        per_request: int,
        lag_ms: int,
        sessions_from_ms: int = FAR_PAST_MS,
    ) -> None:
        self._sessions_from_ms = sessions_from_ms
        self._states = states
        self._per_request = per_request
        self._lag_ms = lag_ms
        self._queues = {purpose: _Queue() for purpose in BY_URGENCY}
        self._under_way: dict[str, Ask] = {}
        self._witness, self._witness_ms = "", FAR_PAST_MS

    @property
    def next_ms(self) -> int:
        """When (``mono_ms``) the first of them is ready."""
        return min(queue.ready_ms for queue in self._queues.values())

    def add(self, purpose: Purpose, symbol: str, from_ms: int, to_ms: int, ready_ms: int) -> None:
        """Want the bars of a symbol with from_ms <= label <= to_ms."""
        if purpose == "end":
            ready_ms = max(ready_ms, self._sessions_from_ms)
        queue = self._queues[purpose]
        want = queue.wants.get(symbol)
        if want is None:
            queue.enter(symbol, Want(from_ms, to_ms, ready_ms))
            return
        want.from_ms = min(want.from_ms, from_ms)
        want.to_ms = max(want.to_ms, to_ms)
        if ready_ms < want.ready_ms:
            want.ready_ms = ready_ms
            queue.enter(symbol, want)

    def drop(self, symbol: str, purpose: Purpose | None = None) -> bool:
        """Want nothing of a symbol any more, or not for one purpose; whether it was wanted."""
        chosen = BY_URGENCY if purpose is None else (purpose,)
        found = [self._queues[each].wants.pop(symbol, None) for each in chosen]
        return any(want is not None for want in found)

    def take(self, now_ms: int, provider_ms: int) -> Ask | None:
        """The most urgent wants that are ready and make one request; None: there are none.

        Parameters
        ----------
        now_ms, provider_ms
            This instant, by ``mono_ms`` and by the provider's time.
        """
        for purpose, queue in self._queues.items():
            if queue.ready_ms <= now_ms:
                ask = self._gather(purpose, queue, now_ms, provider_ms)
                if ask is not None:
                    self._under_way.update(dict.fromkeys(ask.symbols, ask))
                    return ask
        return None

    def stated(self, symbol: str, label_ms: int) -> None:
        """The stream stated a bar: its row will show how far the history is."""
        if label_ms > self._witness_ms:
            self._witness, self._witness_ms = symbol, label_ms

    def ended(self, ask: Ask) -> None:
        """An ask was answered, or given up."""
        for symbol in ask.symbols:
            if self._under_way.get(symbol) is ask:
                del self._under_way[symbol]

    def _gather(self, purpose: Purpose, queue: _Queue, now_ms: int, provider_ms: int) -> Ask | None:
        chosen: list[str] = []
        others: list[_Entry] = []
        from_ms, to_ms = FAR_FUTURE_MS, 0
        latest: dict[tuple[str, int], int] = {}
        # Those that do not fit to the first are looked at for the next request.
        while len(chosen) < self._per_request and len(others) <= self._per_request:
            found = queue.take(now_ms)
            if found is None:
                break
            _, _, symbol, want = found
            slots = self._states[symbol].slots
            key = (slots.calendar.calendar_id, slots.base_ms)
            latest_ms = latest.get(key)
            if latest_ms is None:
                latest_ms = latest[key] = self.latest(symbol, provider_ms)
            first_ms = self._first(purpose, symbol, want, latest_ms)
            if first_ms is None:
                self._not_needed(purpose, symbol)
            elif first_ms > latest_ms:
                # Nothing of it is in the history yet.
                want.ready_ms = now_ms + self._wait(symbol, first_ms, provider_ms)
                queue.enter(symbol, want)
            elif purpose in MISSING and self._comes(symbol, first_ms):
                want.ready_ms = now_ms + UNDER_WAY_MS
                queue.enter(symbol, want)
            elif chosen and not -DAY_MS <= first_ms - from_ms <= DAY_MS:
                others.append(found)
            else:
                chosen.append(symbol)
                from_ms = min(from_ms, first_ms)
                to_ms = max(to_ms, min(want.to_ms, latest_ms))
                del queue.wants[symbol]
        for entry in others:
            queue.put_back(entry)
        if not chosen:
            return None
        if purpose in MISSING and self._shows(chosen, from_ms):
            chosen.append(self._witness)
        return Ask(tuple(chosen), from_ms, to_ms, purpose)

    def _shows(self, chosen: list[str], from_ms: int) -> bool:
        """Whether one symbol more costs no request, and its row shows how far the history is."""
        if len(chosen) == self._per_request or self._witness_ms < from_ms:
            return False
        state = self._states[self._witness]
        live = bool(state.connections) and state.holding is None and not state.barred
        return live and self._witness not in chosen

    def _first(self, purpose: Purpose, symbol: str, want: Want, latest_ms: int) -> int | None:
        """First label of a want that is still needed; None: all of it has become known."""
        if purpose not in MISSING:
            return want.from_ms
        state = self._states[symbol]
        first_ms = FAR_FUTURE_MS
        if purpose == "evidence" and state.reached_ms is not None:
            first_ms = max(want.from_ms, state.slots.at(state.reached_ms))
        for begin, end in state.unknown.within(want.from_ms, want.to_ms + 1):
            # A stretch may lie between two sessions.
            if state.slots.at(begin) < end:
                first_ms = min(first_ms, begin)
                break
        return None if first_ms > want.to_ms or first_ms == FAR_FUTURE_MS else first_ms

    def _comes(self, symbol: str, first_ms: int) -> bool:
        """Whether an answer that is under way may bring it."""
        ask = self._under_way.get(symbol)
        return ask is not None and ask.from_ms <= first_ms <= ask.to_ms

    def _not_needed(self, purpose: Purpose, symbol: str) -> None:
        self.drop(symbol, purpose)
        if purpose == "evidence":
            self._states[symbol].wanted = False

    def latest(self, symbol: str, provider_ms: int) -> int:
        """Greatest label that the history has by now, as far as is promised."""
        slots = self._states[symbol].slots
        end_ms = provider_ms - self._lag_ms
        # Bars outside sessions have no slot; a short last slot ends sooner than its length.
        return max(end_ms - slots.base_ms, slots.at(slots.last_end(end_ms) - 1))

    def _wait(self, symbol: str, label_ms: int, provider_ms: int) -> int:
        end_ms = self._states[symbol].slots.end(label_ms)
        return max(end_ms + self._lag_ms - provider_ms, 1)

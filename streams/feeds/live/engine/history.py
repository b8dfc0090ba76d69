"""Requests to the history: pages, problems, pauses, and never more than the limit."""

from __future__ import annotations

from collections import Counter
from typing import Final

from msgspec import Struct, field

from tapeline.schemas.config.feeds import FeedConfig, HistoryConfig
from tapeline.schemas.feed_events import Limit
from tapeline.schemas.ids import Held, limit_id
from tapeline.schemas.instants import FAR_FUTURE_MS, MINUTE_MS, SECOND_MS
from tapeline.schemas.records import Bar
from tapeline.streams.feeds.live.engine.limiter import Limiter
from tapeline.streams.feeds.live.engine.pauses import OF_REQUESTS, left_of
from tapeline.streams.feeds.live.engine.statements import same_content
from tapeline.streams.feeds.live.engine.wants import Ask
from tapeline.streams.feeds.live.model import (
    Action,
    Answered,
    FeedMapping,
    Fetch,
    HistoryPage,
    HistoryRequest,
    Instant,
    Report,
    Unanswered,
    Unreadable,
)
from tapeline.streams.pipeline.log_writer import KnownLog

DEADLINE_MS: Final = 30 * SECOND_MS
LOST_AFTER_MS: Final = DEADLINE_MS + 10 * SECOND_MS
IN_FLIGHT: Final = 4
TRIES: Final = 5
PAGES: Final = 2_000
PAUSE_MS: Final = MINUTE_MS
BAN_MS: Final = 5 * MINUTE_MS
REFUSED_PAUSE_MS: Final = 5 * MINUTE_MS


class HistoryAnswer(Struct):
    """What the history answered to an ask, all its pages.

    Attributes
    ----------
    sent_ms, sent_mono_ms
        When its first request was sent, by the provider's time and by ``mono_ms``.
    rows
        By symbol and label the bar, and when the request of its page was sent (``mono_ms``).
    conflicts
        Slots that two pages gave two contents of.
    """

    ask: Ask
    sent_ms: int
    sent_mono_ms: int
    rows: dict[str, dict[int, tuple[Bar, int]]] = field(default_factory=dict)
    conflicts: set[tuple[str, int]] = field(default_factory=set)
    unreadable: list[Unreadable] = field(default_factory=list)


class _Part(Struct):
    """A page on its way: of which ask, and how often it was tried."""

    ask: int
    request: HistoryRequest
    tries: int = 0
    ready_ms: int = 0
    sent_ms: int = 0


class _Open(Struct):
    """An ask whose pages are not all there."""

    answer: HistoryAnswer
    parts: int
    asked: set[str] = field(default_factory=set)
    pages: int = 0


class HistoryDesk:
    """Sends requests and puts their pages together.

    Parameters
    ----------
    known
        Pauses that earlier processes were asked for, and when the last of them began.

    Attributes
    ----------
    last_good_ms
        When (``mono_ms``) it last got a page; None: never.
    failed
        Asks that were given up, until they are taken away.
    """

    def __init__(
        self, settings: FeedConfig, mapping: FeedMapping, known: KnownLog, now: Instant
    ) -> None:
        config = settings.history or HistoryConfig()
        self.last_good_ms: int | None = None
        self.failed: list[Ask] = []
        self.counts: Counter[str] = Counter()
        self._feed = settings.name
        self._mapping = mapping
        self._per_ms = config.per_ms
        begun_ms = known.begun_ms.get(self._feed)
        before_ms = None if begun_ms is None else now.mono_ms - (now.wall_ms - begun_ms)
        self._limiter = Limiter(config.requests, config.per_ms, now.mono_ms, before_ms)
        limits = known.limits_of(self._feed)
        for held in OF_REQUESTS:
            self._limiter.pause(now.mono_ms + left_of(limits, held, now.wall_ms))
        self._open: dict[int, _Open] = {}
        self._waiting: list[_Part] = []
        self._in_flight: dict[int, _Part] = {}
        self._asks = 0
        self._requests = 0
        self._reported_ms: int | None = None

    @property
    def ready(self) -> bool:
        """Whether it can take another ask now."""
        return not self._waiting and len(self._in_flight) < IN_FLIGHT

    def next_ms(self, now_ms: int) -> int:
        """When (``mono_ms``) it has something to do."""
        due_ms = min(
            (part.sent_ms + LOST_AFTER_MS for part in self._in_flight.values()),
            default=FAR_FUTURE_MS,
        )
        if self._waiting and len(self._in_flight) < IN_FLIGHT:
            ready_ms = min(part.ready_ms for part in self._waiting)
            due_ms = min(due_ms, max(ready_ms, self._limiter.free_at(now_ms)))
        return due_ms

    def free_at(self, now_ms: int) -> int:
        """When the limit lets the next request leave."""
        return self._limiter.free_at(now_ms)

    def pause(self, until_ms: int) -> None:
        """The provider asked for a pause until then (``mono_ms``)."""
        self._limiter.pause(until_ms)

    def take(self, ask: Ask) -> None:
        """One more ask."""
        requests = self._mapping.history(ask.symbols, ask.from_ms, ask.to_ms)
        self._asks += 1
        self._open[self._asks] = _Open(HistoryAnswer(ask, -1, -1), len(requests))
        self._waiting.extend(_Part(self._asks, request) for request in requests)
        if not requests:
            del self._open[self._asks]

    def send(self, now: Instant, provider_ms: int) -> list[Action]:
        """Requests that may leave now."""
        actions: list[Action] = []
        for number, part in list(self._in_flight.items()):
            if part.sent_ms + LOST_AFTER_MS <= now.mono_ms:
                self.unanswered(Unanswered(number, "no answer"), now)
        while (
            self._waiting
            and len(self._in_flight) < IN_FLIGHT
            and self._limiter.free_at(now.mono_ms) <= now.mono_ms
        ):
            ready = [each for each in self._waiting if each.ready_ms <= now.mono_ms]
            if not ready:
                break
            part = ready[0]
            self._waiting.remove(part)
            self._requests += 1
            self._limiter.sent(now.mono_ms)
            self._in_flight[self._requests] = part
            part.sent_ms = now.mono_ms
            answer = self._open[part.ask].answer
            if answer.sent_ms < 0:
                answer.sent_ms, answer.sent_mono_ms = provider_ms, now.mono_ms
            actions += self._use_reported(now)
            request = part.request
            actions.append(Fetch(self._requests, request.http, DEADLINE_MS, request.symbols))
            self.counts["requests"] += 1
        return actions

    def answered(self, event: Answered, now: Instant) -> tuple[HistoryAnswer | None, list[Action]]:
        """Take an answer; the whole of it where this was the last page."""
        part = self._in_flight.pop(event.request, None)
        if part is None or part.ask not in self._open:
            return None, []
        if event.status in (418, 429):
            self._waiting.insert(0, part)
            return None, self._pause_asked(event, now)
        if event.status in (401, 403):
            self._limiter.pause(now.mono_ms + REFUSED_PAUSE_MS)
        if event.status != 200:
            self._try_again(part, now)
            return None, []
        page = self._mapping.page(part.request, event.body)
        opened = self._open[part.ask]
        opened.pages += 1
        next_page = page.next
        endless = next_page is not None and (
            next_page.http.url in opened.asked or opened.pages >= PAGES
        )
        if page.problem or endless:
            self._try_again(part, now)
            return None, []
        self.last_good_ms = now.mono_ms
        _collect(opened.answer, page, part.sent_ms)
        opened.asked.add(part.request.http.url)
        if next_page is not None:
            self._waiting.insert(0, _Part(part.ask, next_page))
            return None, []
        opened.parts -= 1
        if opened.parts:
            return None, []
        del self._open[part.ask]
        return opened.answer, []

    def unanswered(self, event: Unanswered, now: Instant) -> None:
        """A request got no answer."""
        part = self._in_flight.pop(event.request, None)
        if part is not None and part.ask in self._open:
            self._try_again(part, now)

    def _try_again(self, part: _Part, now: Instant) -> None:
        self.counts["problems"] += 1
        part.tries += 1
        if part.tries < TRIES:
            part.ready_ms = now.mono_ms + SECOND_MS * 2 ** (part.tries - 1)
            self._waiting.append(part)
            return
        self.failed.append(self._open.pop(part.ask).answer.ask)
        self._waiting = [each for each in self._waiting if each.ask != part.ask]

    def _pause_asked(self, event: Answered, now: Instant) -> list[Action]:
        wait_ms = event.retry_after_ms
        if wait_ms is None:
            wait_ms = BAN_MS if event.status == 418 else PAUSE_MS
        # Of several requests under way one may be asked for less: the longest pause is reported.
        longer = self._limiter.pause(now.mono_ms + wait_ms)
        return [self._limit("history", wait_ms, event.status, now)] if longer else []

    def _use_reported(self, now: Instant) -> list[Action]:
        """Report that this process has used more than half of a window.

        A process after a kill starts with half a window: what this one used beyond it, the event
        keeps from being used twice. It is due before the request leaves.
        """
        if not self._limiter.above_half(now.mono_ms):
            return []
        step_ms = self._per_ms // 8
        if self._reported_ms is not None and now.mono_ms - self._reported_ms < step_ms:
            return []
        self._reported_ms = now.mono_ms
        return [self._limit("requests", self._per_ms + step_ms, 0, now)]

    def _limit(self, held: Held, wait_ms: int, status: int, now: Instant) -> Report:
        return Report(
            Limit(
                id=limit_id(self._feed, held),
                feed=self._feed,
                symbol=None,
                at_ms=now.wall_ms,
                wait_ms=wait_ms,
                status=status,
            )
        )


def _collect(answer: HistoryAnswer, page: HistoryPage, sent_ms: int) -> None:
    """Rows of one more page; of two contents of a slot none is taken."""
    answer.unreadable.extend(page.unreadable)
    for bar in page.rows:
        rows = answer.rows.setdefault(bar.symbol, {})
        known = rows.get(bar.start_ms)
        if known is not None and not same_content(known[0], bar):
            answer.conflicts.add((bar.symbol, bar.start_ms))
        rows[bar.start_ms] = (bar, sent_ms)

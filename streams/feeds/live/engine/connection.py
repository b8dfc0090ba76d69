"""The connection side of a feed: opens, watches, ends and replaces its connections.

It decides when data may be lost and publishes that as signals; what the data mean for the log is
the content side's. Every connection does the whole session anew, whatever ended the last one.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

from tapeline.schemas.config.feeds import FeedConfig
from tapeline.schemas.feed_events import (
    ConnectionState,
    HoleCause,
    Limit,
)
from tapeline.schemas.instants import FAR_FUTURE_MS, FAR_PAST_MS, SECOND_MS
from tapeline.streams.feeds.live.engine.backoff import Backoff
from tapeline.streams.feeds.live.engine.clock_offset import ClockOffset, ClockReading
from tapeline.streams.feeds.live.engine.connection_outbox import ConnectionOutbox, Output
from tapeline.streams.feeds.live.engine.letters import Letters
from tapeline.streams.feeds.live.engine.link import Link
from tapeline.streams.feeds.live.engine.pauses import (
    BANNED,
    BUSY,
    POLICY,
    REFUSED,
    TOO_BIG,
    left_of,
    pause_of,
)
from tapeline.streams.feeds.live.engine.session import FeedSession
from tapeline.streams.feeds.live.engine.signals import (
    BreakerOpened,
    Heard,
    Paused,
    RefusedSymbols,
    WentDown,
    WentLive,
)
from tapeline.streams.feeds.live.engine.watchdog import MarketHours, Watchdog, watchdog_of
from tapeline.streams.feeds.live.model import (
    Alive,
    Answered,
    Close,
    Connect,
    ConnectFailed,
    ConnectionClosed,
    ConnectionOpened,
    Event,
    FeedMapping,
    Instant,
    Leave,
    Meaning,
    Notice,
    Received,
    Statement,
    StopAsked,
    Timer,
    Unasked,
    Unreadable,
)

EXIT_SETTINGS: Final = 2
POLICY_CLOSINGS: Final = 3
"""So many closings with 1008 before any answer, in a row, are a refusal."""
_NAMED: Final = 10


class ConnectionSide:
    """The connections of one feed; no I/O.

    Parameters
    ----------
    hours
        When the feed's instruments trade.
    letters
        Shared with the content side.
    limits
        Pauses that the provider asked an earlier process for: they hold after a restart, too.

    Attributes
    ----------
    clock
        What is known of the provider's clock.
    unasked
        Bars of symbols that the feed does not have.
    """

    def __init__(
        self,
        settings: FeedConfig,
        mapping: FeedMapping,
        hours: MarketHours,
        random: Random,
        letters: Letters,
        limits: Sequence[Limit] = (),
    ) -> None:
        self.clock = ClockOffset()
        self._reading = ClockReading(settings.name, self.clock)
        self.unasked = 0
        self._settings = settings
        self._mapping = mapping
        self._hours = hours
        self._letters = letters
        self._limits = limits
        self._backoff = Backoff(random)
        self._symbols = tuple(settings.symbols)
        self._main: Link | None = None
        self._second: Link | None = None
        self._count = 0
        self._main_due_ms = FAR_PAST_MS
        self._second_due_ms = FAR_FUTURE_MS
        self._not_before_ms = FAR_PAST_MS
        self._paused_until_ms = FAR_PAST_MS
        self._begun = False
        self._policy_closings = 0
        self._clock_ms = FAR_PAST_MS
        self._out = ConnectionOutbox(settings.name)

    @property
    def next_ms(self) -> int:
        """``mono_ms`` at which a `Timer` is due; at once for a feed that has not begun."""
        due_ms = min(self._main_due_ms, self._second_due_ms)
        for link in self._links():
            due_ms = min(due_ms, link.next_ms)
        return due_ms

    def handle(self, event: Event, now: Instant) -> list[Output]:
        """Take an event; what to do and what to hand on, in this order.

        `Answered` is taken for its ``Date`` and for a ban of the whole provider; events of the
        content side and of connections that are gone change nothing.
        """
        if isinstance(event, Received):
            self._received(event, now)
        elif isinstance(event, Timer):
            self._timer(now)
        elif isinstance(event, ConnectionOpened):
            self._opened(event, now)
        elif isinstance(event, ConnectFailed):
            self._connect_failed(event, now)
        elif isinstance(event, ConnectionClosed):
            self._closed(event, now)
        elif isinstance(event, Answered):
            self._answered(event, now)
        elif isinstance(event, StopAsked):
            self._stop(now)
        return self._out.empty()

    def _links(self) -> list[Link]:
        return [link for link in (self._main, self._second) if link is not None]

    def _link(self, number: int) -> Link | None:
        return next((link for link in self._links() if link.number == number), None)

    def _is_held(self, link: Link) -> bool:
        return link is self._main or link is self._second

    # Attempts.

    def _timer(self, now: Instant) -> None:
        if not self._begun:
            self._begin(now)
        if now.mono_ms >= self._main_due_ms:
            self._main_due_ms = FAR_FUTURE_MS
            self._main = self._connect(now)
        if now.mono_ms >= self._second_due_ms:
            self._second_due_ms = FAR_FUTURE_MS
            self._second = self._connect(now)
        for link in self._links():
            if now.mono_ms >= link.next_ms and self._is_held(link):
                self._pass_time(link, now)

    def _begin(self, now: Instant) -> None:
        self._begun = True
        left_ms = left_of(self._limits, "connections", now.wall_ms)
        if left_ms > 0:
            self._main_due_ms = self._not_before_ms = now.mono_ms + left_ms
            self._report(self._count, "waiting", "a pause from before the restart", now)

    def _connect(self, now: Instant) -> Link:
        self._count += 1
        link = Link(self._count, FeedSession(self._mapping, self._symbols), now.mono_ms)
        http = self._mapping.address(self._symbols)
        self._report(link.number, "connecting", http.shown, now)
        self._out.add(Connect(link.number, http, self._settings.session.max_frame))
        return link

    def _opened(self, event: ConnectionOpened, now: Instant) -> None:
        link = self._link(event.connection)
        if link is None:
            return
        if event.date_ms is not None:
            self.clock.take_date(event.date_ms, now)
        session = self._settings.session
        every_ms = None if session.keepalive is None else session.keepalive.every_ms
        life_ms = session.life_ms if session.two_connections else None
        link.opened(now.mono_ms, every_ms, life_ms)
        self._out.send(link.number, link.session.open(now.mono_ms))
        self._after_session(link, now)

    def _connect_failed(self, event: ConnectFailed, now: Instant) -> None:
        link = self._link(event.connection)
        if link is None:
            return
        self._lose(link, event.reason, now, status=event.status, asked_ms=event.retry_after_ms)

    def _closed(self, event: ConnectionClosed, now: Instant) -> None:
        link = self._link(event.connection)
        if link is None:
            return
        reason = f"closed with {event.code}" if event.code is not None else "cut"
        if event.reason:
            reason = f"{reason}: {event.reason}"
        if event.code == TOO_BIG:
            reason += f" (session.max_frame is {self._settings.session.max_frame} bytes)"
        cause: HoleCause = "overflow" if event.overflow else link.cause
        if event.code == POLICY:
            self._policy_closings += not link.is_live
            if self._policy_closings == POLICY_CLOSINGS:
                self._leave(f"{reason}, {POLICY_CLOSINGS} times before any answer", now)
                return
        self._lose(link, reason, now, cause=cause, status=event.code, asked_ms=event.retry_after_ms)

    # Messages.

    def _received(self, event: Received, now: Instant) -> None:
        link = self._link(event.connection)
        if link is None:
            return
        try:
            parsed = self._mapping.parse(event.data)
        except ValueError as error:
            raw = self._mapping.without_secrets(event.data)
            self._out.add_all(self._letters.write("decode_error", str(error), raw, None, now))
            return
        if not link.session.complete:
            self._out.send(link.number, link.session.take(parsed, now.mono_ms))
            self._after_session(link, now)
            if not self._is_held(link):
                return
        before = self.unasked
        heard, ordered, is_data = self._sort(self._mapping.meanings(parsed, event.data), now)
        if heard and link.is_live:
            self._out.add(Heard(link.number, tuple(heard)))
        if is_data:
            self._take_data(link, now)
        if link.take_counts(len(heard), self.unasked - before):
            # It may have other symbols than we asked for, and then lack some of ours.
            self._out.send(link.number, link.session.ask_anew(now.mono_ms))
        for notice in ordered:
            if self._is_held(link):
                self._take_notice(link, notice, now)
        if now.mono_ms - self._clock_ms >= SECOND_MS:
            self._publish_clock(now)

    def _sort(
        self, meanings: list[Meaning], now: Instant
    ) -> tuple[list[Meaning], list[Notice], bool]:
        """What the content side takes, notices about the connection, whether any of it is data."""
        heard: list[Meaning] = []
        ordered: list[Notice] = []
        is_data = False
        for each in meanings:
            if isinstance(each, Statement | Alive):
                is_data = True
                heard.append(each)
                if each.sent_ms is not None:
                    self.clock.take_sent(each.sent_ms, now)
            elif isinstance(each, Unreadable):
                self._out.add_all(
                    self._letters.write(each.code, each.reason, each.raw, each.symbol, now)
                )
            elif isinstance(each, Unasked):
                is_data = True
                self.unasked += 1
            elif each.means in ("shutdown", "slow", "refused", "fatal"):
                ordered.append(each)
            else:
                is_data = True
                heard.append(each)
        return heard, ordered, is_data

    def _take_data(self, link: Link, now: Instant) -> None:
        if link.take_data(now):
            self._backoff.succeeded()
        if link is self._second and link.is_complete:
            self._replace_main(link)

    def _take_notice(self, link: Link, notice: Notice, now: Instant) -> None:
        if notice.means == "fatal":
            self._leave(notice.text or "refused", now)
        elif notice.means == "slow":
            link.cause = "overflow"
        elif notice.means == "shutdown":
            if link is self._main and self._settings.session.two_connections:
                self._open_second(now)
        elif notice.symbol is not None:
            self._out.send(link.number, link.session.refuse(notice.symbol, now.mono_ms))
            self._after_session(link, now, notice.text)
        else:
            reason = notice.text or "refused for now"
            self._lose(link, reason, now, close=True, status=BUSY, asked_ms=notice.wait_ms)

    def _after_session(self, link: Link, now: Instant, reason: str = "not acknowledged") -> None:
        """Publish what a step of the session led to."""
        session = link.session
        if session.fatal is not None:
            self._leave(session.fatal, now)
            return
        if session.problem:
            self._lose(link, session.problem, now, close=True)
            return
        self._publish_refused(link, reason, now)
        if len(session.refused) == len(self._symbols):
            self._leave(f"no symbol is left: {reason}", now)
            return
        new: tuple[str, ...] = ()
        if len(session.acknowledged) > len(link.published):
            new = tuple(
                each
                for each in self._symbols
                if each in session.acknowledged and each not in link.published
            )
            link.published.update(new)
        completed = session.complete and not link.is_complete
        if new and link.watchdog is None:
            link.watchdog = watchdog_of(self._settings, self._mapping, self._hours, now)
            link.last_heard = now
            self._policy_closings = 0
            self._publish_clock(now)
        if completed:
            link.is_complete = True
            self._publish_subscription(link, now)
            self._report(link.number, "live", f"{len(link.published)} symbols", now)
        if new or completed:
            self._out.add(WentLive(link.number, new, now, session.complete))

    # Time.

    def _pass_time(self, link: Link, now: Instant) -> None:
        if not link.is_open:
            self._lose(link, "not open in time", now, close=True)
            return
        if now.mono_ms >= link.session.next_ms:
            self._out.send(link.number, link.session.pass_time(now.mono_ms))
            self._after_session(link, now)
            if not self._is_held(link):
                return
        keepalive = self._settings.session.keepalive
        if keepalive is not None and now.mono_ms >= link.keepalive_ms:
            link.keepalive_ms = now.mono_ms + keepalive.every_ms
            self._out.send(link.number, [keepalive.send])
        if now.mono_ms >= link.replace_ms:
            link.replace_ms = FAR_FUTURE_MS
            if link is self._main:
                self._open_second(now)
        watchdog = link.watchdog
        if (
            watchdog is not None
            and now.mono_ms >= watchdog.next_ms
            and watchdog.is_stale(now, self.clock.provider_ms(now))
        ):
            self._lose(link, self._silence(link, watchdog), now, close=True, cause="stale")

    def _silence(self, link: Link, watchdog: Watchdog) -> str:
        seconds = watchdog.limit_ms // SECOND_MS
        if watchdog.heard:
            return f"no data for {seconds} s"
        names = sorted(link.published)
        shown = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
        address = self._mapping.address(self._symbols).shown
        return f"{address}: no data within {seconds} s of the subscription to {shown}"

    # Ends.

    def _lose(
        self,
        link: Link,
        reason: str,
        now: Instant,
        *,
        close: bool = False,
        cause: HoleCause | None = None,
        status: int | None = None,
        asked_ms: int | None = None,
    ) -> None:
        """A connection is gone, or is to be ended now; plan what takes its position."""
        if status in REFUSED:
            self._leave(f"{reason} (status {status})", now)
            return
        if close:
            self._out.add(Close(link.number, abort=True))
        pause_ms = pause_of(status, asked_ms)
        if pause_ms is not None:
            self._pause(pause_ms, status or 0, now)
        if link.is_live:
            self._out.add(WentDown(link.number, cause or link.cause, link.last_heard))
        breaker_ms = self._backoff.breaker_until_ms
        due_ms = max(self._backoff.failed(now.mono_ms, pause_ms), self._not_before_ms)
        if link is self._second:
            self._second = None
            self._second_due_ms = due_ms
        elif self._second is not None:
            self._main, self._second = self._second, None
        else:
            self._main = None
            # An attempt for a second connection is now one for the first.
            self._main_due_ms, self._second_due_ms = due_ms, FAR_FUTURE_MS
        state: ConnectionState = "lost" if link.is_live else "waiting"
        self._report(link.number, state, reason, now)
        if self._main is None and self._backoff.breaker_until_ms > breaker_ms:
            self._out.add(BreakerOpened(self._backoff.breaker_until_ms))

    def _open_second(self, now: Instant) -> None:
        if self._second is None and self._second_due_ms == FAR_FUTURE_MS:
            self._second_due_ms = max(now.mono_ms, self._not_before_ms)

    def _replace_main(self, second: Link) -> None:
        """The second connection has data: the first one is closed, and nothing is lost."""
        main = self._main
        self._main, self._second = second, None
        if main is not None:
            self._out.add(Close(main.number, abort=False))
            if main.is_live:
                self._out.add(WentDown(main.number, main.cause, main.last_heard, second.number))

    def _leave(self, text: str, now: Instant) -> None:
        """Refused for good: the feed ends."""
        number = self._count
        address = self._mapping.address(self._symbols).shown
        for link in self._links():
            self._out.add(Close(link.number, abort=True))
            if link.is_live:
                self._out.add(WentDown(link.number, link.cause, link.last_heard))
        self._end()
        self._report(number, "refused", text, now)
        self._out.add(Leave(EXIT_SETTINGS, f"feed {self._settings.name}: {address}: {text}"))

    def _stop(self, now: Instant) -> None:
        for link in self._links():
            self._out.add(Close(link.number, abort=False))
            self._report(link.number, "closed", "the feed was stopped", now)
        self._end()

    def _end(self) -> None:
        self._main = self._second = None
        self._main_due_ms = self._second_due_ms = FAR_FUTURE_MS
        self._begun = True

    def _answered(self, event: Answered, now: Instant) -> None:
        if event.date_ms is not None:
            self.clock.take_date(event.date_ms, now)
        pause_ms = pause_of(event.status, event.retry_after_ms)
        if event.status == BANNED and pause_ms is not None:
            self._pause(pause_ms, BANNED, now)
            if self._main is None:
                self._main_due_ms = max(self._main_due_ms, self._not_before_ms)

    def _pause(self, pause_ms: int, status: int, now: Instant) -> None:
        """The provider asks for a pause; a ban is one of everything."""
        if now.mono_ms + pause_ms > self._paused_until_ms:
            # One event holds them all: a shorter pause must not take the place of a longer one.
            self._paused_until_ms = now.mono_ms + pause_ms
            self._out.limit(pause_ms, status, now)
        if status == BANNED:
            self._not_before_ms = max(self._not_before_ms, now.mono_ms + pause_ms)
            self._out.add(Paused(self._not_before_ms, BANNED))

    # What is published.

    def _publish_refused(self, link: Link, reason: str, now: Instant) -> None:
        session = link.session
        if len(session.refused) == len(link.refused):
            return
        new = tuple(
            each for each in self._symbols if each in session.refused and each not in link.refused
        )
        link.refused.update(new)
        link.published.difference_update(new)
        self._out.add(RefusedSymbols(link.number, new, reason))
        if link.is_complete:
            self._publish_subscription(link, now)

    def _publish_subscription(self, link: Link, now: Instant) -> None:
        missing = tuple(each for each in self._symbols if each not in link.published)
        self._out.subscription(link.number, len(self._symbols), missing, now)

    def _publish_clock(self, now: Instant) -> None:
        self._clock_ms = now.mono_ms
        self._out.add_all(self._reading.changes(now))

    def _report(self, number: int, state: ConnectionState, reason: str, now: Instant) -> None:
        self._out.connection(number, state, reason, self._backoff.failures + 1, now)

"""A strategy on a replay: called in the order of the log, never with what is not known yet.

class Fade(Strategy):
    def on_event(self, event, now):
        if isinstance(event, Touch) and event.event == "first_break":
            self.orders.append((event.symbol, now.ms))

async with Replay.topic(config, start="2025-12-01") as run:
    await run_strategy(run, Fade())
"""

from __future__ import annotations

from tapeline.replay.pace.control import Control
from tapeline.replay.run import Replay
from tapeline.replay.sources.items import Release
from tapeline.schemas.errors import InternalError
from tapeline.schemas.events import Output
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.schemas.records import Bar


class LookAheadError(InternalError, AssertionError):
    """A strategy was about to get something from the future: a bug."""


class Now:
    """The instant of a call.

    Attributes
    ----------
    ms
        Market time, UTC epoch milliseconds: the greatest watermark of all groups until now. It
        never goes back; a late or corrected bar comes with the time at which it came.
    """

    def __init__(self, control: Control | None) -> None:
        self.ms = FAR_PAST_MS
        self._control = control

    def signal(self) -> None:
        """Mark this record as of interest: a jump to the next signal ends here."""
        if self._control is not None:
            self._control.signal()


class Strategy:
    """What is called; every method does nothing until it is overridden.

    Of one record come first the bar, then the events it led to, in the order of publication. All
    calls are in the total order of the log, the same in every replay.
    """

    def on_bar(self, bar: Bar, now: Now) -> None:
        """The newest bar of a symbol has ended; an order placed now cannot trade inside it."""

    def on_correction(self, record: Bar | None, start_ms: int, symbol: str, now: Now) -> None:
        """A bar came late or was changed; None: it was cancelled."""

    def on_event(self, event: Output, now: Now) -> None:
        """A fact came, changed, or is taken back (`Retract`)."""

    def on_end(self, now: Now) -> None:
        """The replay is over; nothing was delivered if `now.ms` is before all times."""


class StrategyFeed:
    """Hands releases to a strategy."""

    def __init__(self, strategy: Strategy, control: Control | None = None) -> None:
        self._strategy = strategy
        self._newest: dict[str, int] = {}
        self.now = Now(control)

    def take(self, release: Release) -> None:
        """The next record.

        Raises
        ------
        LookAheadError
            When an event holds what lies after the time of its record.
        """
        if release.letter is not None:
            # Nothing was accepted, so its time does not count.
            return
        strategy, now = self._strategy, self.now
        item = release.item
        if release.watermark_ms is not None:
            now.ms = max(now.ms, release.watermark_ms)
        content = item.content
        correction = release.correction
        if correction is not None:
            if correction.before != correction.after:
                after = correction.after
                strategy.on_correction(after, correction.start_ms, correction.symbol, now)
        elif isinstance(content, Bar) and content.start_ms > self._newest.get(
            content.symbol, FAR_PAST_MS
        ):
            self._newest[content.symbol] = content.start_ms
            strategy.on_bar(content, now)
        for event in release.events:
            if event.watermark_ms > now.ms or event.event_ms > now.ms:
                raise LookAheadError(
                    f"{event.id} of {event.watermark_ms} came at {now.ms}: offset {item.offset} of"
                    f" partition {item.partition}"
                )
            strategy.on_event(event, now)


async def run_strategy(run: Replay, strategy: Strategy) -> None:
    """Call a strategy with everything an open replay publishes, until its end.

    Raises
    ------
    LookAheadError
        When an event holds what lies after the time of its record.
    """
    feed = StrategyFeed(strategy, run.pace if isinstance(run.pace, Control) else None)
    async for release in run.releases():
        feed.take(release)
    strategy.on_end(feed.now)

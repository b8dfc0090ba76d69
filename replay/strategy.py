"""A strategy on a replay, without accounts: called in the order of the log.

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
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.schemas.records import Bar
from tapeline.streams.host.errors import LookAheadError, SignalError
from tapeline.streams.host.needs import Needs
from tapeline.streams.host.now import Now
from tapeline.streams.host.signal import Signal
from tapeline.streams.host.strategy import Strategy
from tapeline.streams.host.view.view import View


class WithoutHost:
    """What a strategy without a host can do: mark records, and publish nothing."""

    def __init__(self, control: Control | None) -> None:
        self._control = control

    def emit(self, signal: Signal) -> str:
        """Refuse: nothing publishes it."""
        raise SignalError("there is no host here: signals need `tapeline replay --strategy`")

    def cancel(self, signal_id: str, reason: str) -> None:
        """Refuse: there are no signals."""
        raise SignalError(f"there is no host here, and no signal {signal_id}")

    def replace(self, signal_id: str, signal: Signal) -> str:
        """Refuse: there are no signals."""
        raise SignalError(f"there is no host here, and no signal {signal_id}")

    def mark(self) -> None:
        """Mark the record: a jump ends here."""
        if self._control is not None:
            self._control.signal()


class StrategyFeed:
    """Hands releases to a strategy."""

    def __init__(self, strategy: Strategy, control: Control | None = None) -> None:
        self._strategy = strategy
        self._newest: dict[str, int] = {}
        self.now = Now(WithoutHost(control), View(type(strategy).__name__, Needs(), {}))

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
